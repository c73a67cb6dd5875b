# bash completion for k3s. Given the words so far, k3s prints what may follow, with --generate-bash-completion
# behind them; kubectl does, with __complete before them.
_k3s() {
    local typed asked option='' line part breaks directive=0 IFS=$' \t\n'
    local -a words lines=()
    # COMP_WORDS is split at = and : as well.
    read -r -d '' -a words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:COMP_POINT-1:1} != [[:space:]] ]] || words+=('')
    typed=${words[-1]}
    words=("${words[@]:1:${#words[@]}-2}")
    COMPREPLY=()

    # With -- among them, k3s executes the words: k3s kubectl exec web -- rm -r data
    for line in "${words[@]}"; do
        [[ $line != -- ]] || return 0
    done
    asked=$typed
    [[ $asked != -- ]] || asked=-
    case ${words[0]-} in
    kubectl)
        mapfile -t lines < <(COBRA_ACTIVE_HELP=0 k3s kubectl __complete "${words[@]:1}" "$asked" 2>/dev/null)
        # Each line is NAME<TAB>DESCRIPTION; the last one is :N, cobra's ShellCompDirective, where 1 is an error,
        # 2 no space behind the name, 4 no file names, and 8 and 16 file names only.
        ((!${#lines[@]})) || directive=${lines[-1]//[!0-9]/}
        ((!(directive & 2))) || compopt -o nospace
        ((!(directive & 4))) || compopt +o bashdefault +o default
        ((!(directive & 25))) || lines=()
        # It completes the value of --option=value alone.
        [[ $typed != -*=* ]] || option=${typed%%=*}=
        ;;
    crictl | ctr) ;; # which k3s cannot complete
    *)
        # Options are printed only for a word that has begun as one.
        [[ $asked != -* ]] || words+=("$asked")
        mapfile -t lines < <(k3s "${words[@]}" --generate-bash-completion 2>/dev/null)
        ;;
    esac

    # What readline replaces ends at the cursor and begins at the last = or :, where those separate words. No
    # compgen -W, which expands $(...) in what was printed.
    breaks=${COMP_WORDBREAKS//[!=:]/}
    part=${typed##*["${breaks:- }"]}
    for line in "${lines[@]%%$'\t'*}"; do
        [[ $line != :* && $option$line == "$typed"* ]] || continue
        line=$option$line
        COMPREPLY+=("${line#"${typed%"$part"}"}")
    done
}

complete -o bashdefault -o default -F _k3s k3s
