# bash completion for k3s. k3s knows its own commands and options: given the words so far and
# --generate-bash-completion it prints what may follow, one a line.
_k3s() {
    local word=${COMP_WORDS[COMP_CWORD]}
    local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    # Options are printed only for a word that has begun as one.
    if [[ $word == -* ]]; then
        words+=("$word")
    fi
    mapfile -t COMPREPLY < <(
        compgen -W "$(k3s "${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$word"
    )
}

complete -o bashdefault -o default -F _k3s k3s
