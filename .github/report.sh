#!/bin/sh
# report.sh DIR: opens an issue about a run that has failed, or replaces the text of the one that is open.
#
# Its text is DIR/problems.md, where `cargo xtask watch` has found something. It needs a token in GH_TOKEN, and RUN is the
# page of the run.
set -eu

report=$1
title="The weekly run has found something"

text=$report/issue.md
if [ -e "$report/problems.md" ]; then
    printf 'cargo xtask watch has reported:\n\n' >"$text"
    cat "$report/problems.md" >>"$text"
    printf '\n' >>"$text"
fi
echo "The log of the run: $RUN" >>"$text"

number=$(gh issue list --state open --limit 1000 --json number,title \
    --jq "map(select(.title == \"$title\")) | .[0].number // empty")
if [ -n "$number" ]; then
    gh issue edit "$number" --body-file "$text"
else
    gh issue create --title "$title" --body-file "$text"
fi
