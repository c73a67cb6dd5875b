#!/bin/bash
# What git says about the tree. Sourced by version.sh.

GIT_TAG=$TAG
TREE_STATE=clean
COMMIT=$GITHUB_SHA

if [ -d .git ]; then
    GIT_TAG=${GIT_TAG:-$(git tag -l --contains HEAD | head -n 1)}
    if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
        DIRTY="-dirty"
        TREE_STATE=dirty
    fi
    COMMIT=$(git log -n3 --pretty=format:"%H %ae" | grep -v ' drone@localhost$' | cut -f1 -d\  | head -1)
    if [ -z "${COMMIT}" ]; then
        COMMIT=$(git rev-parse HEAD || true)
    fi
fi

export GIT_TAG TREE_STATE COMMIT DIRTY
