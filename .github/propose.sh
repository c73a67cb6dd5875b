#!/bin/sh
# propose.sh DIR: proposes the changes in DIR/changes.patch as a pull request, with DIR/changes.md as its text.
#
# The branch `watch` has these changes and nothing else, so each run replaces it. It pushes with the token in GH_TOKEN, and
# RUN is the page of the run whose checks have passed.
set -eu

report=$1
title="Follow upstream"

git switch --quiet --create watch
git apply --index --allow-empty "$report/changes.patch"
if git diff --cached --quiet; then
    echo "nothing has changed"
    exit 0
fi
git -c user.name="github-actions[bot]" -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \
    commit --quiet --message "$title"

text=$report/pull-request.md
if [ -e "$report/changes.md" ]; then
    cat "$report/changes.md" >"$text"
    printf '\n\n' >>"$text"
fi
echo "All tests have passed on this branch: $RUN" >>"$text"

gh auth setup-git
git push --quiet --force origin watch
number=$(gh pr list --state open --head watch --json number --jq '.[0].number // empty')
if [ -n "$number" ]; then
    gh pr edit "$number" --body-file "$text"
else
    gh pr create --head watch --title "$title" --body-file "$text"
fi
