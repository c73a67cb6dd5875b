//! Trusted users, whose files are executed: those who could change what runs here anyway.

use crate::context::Context;
use anyhow::Result;
use fs_err as fs;
use nix::unistd::{Uid, User, getegid, geteuid};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The caller, root, and the owner of this executable.
#[derive(Clone, Copy, Debug)]
pub struct Trust {
    users: [u32; 3],
    groups: [u32; 3],
}

impl Trust {
    /// Returns the users who are trusted in this run.
    pub fn of(context: &Context) -> Result<Trust> {
        let program = fs::metadata(&context.guard)?;
        Ok(Trust {
            users: [geteuid().as_raw(), 0, program.uid()],
            groups: [getegid().as_raw(), 0, program.gid()],
        })
    }

    /// Returns the reason why other users may have written a file.
    pub fn objection(&self, metadata: &Metadata) -> Option<String> {
        let (user, group, mode) = (metadata.uid(), metadata.gid(), metadata.mode());
        if !self.users.contains(&user) {
            Some(format!("belongs to user {user}"))
        } else if metadata.is_symlink() {
            None
        } else if mode & 0o002 != 0 {
            Some("can be written by every user".to_owned())
        } else if mode & 0o020 != 0 && !self.groups.contains(&group) {
            Some(format!("can be written by group {group}"))
        } else {
            None
        }
    }
}

/// Returns the name of a user.
pub fn user(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn objects_to_files_of_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = |mode| {
            fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            fs::metadata(file.path()).unwrap()
        };
        let (user, group) = (metadata(0o600).uid(), metadata(0o600).gid());
        let ours = Trust { users: [user; 3], groups: [group; 3] };
        let theirs = Trust { users: [user + 1; 3], groups: [group + 1; 3] };
        assert_eq!(ours.objection(&metadata(0o775)), None);
        assert_eq!(ours.objection(&metadata(0o757)).unwrap(), "can be written by every user");
        let other_group = Trust { groups: theirs.groups, ..ours };
        assert_eq!(other_group.objection(&metadata(0o755)), None);
        assert_eq!(
            other_group.objection(&metadata(0o775)).unwrap(),
            format!("can be written by group {group}")
        );
        assert_eq!(theirs.objection(&metadata(0o755)).unwrap(), format!("belongs to user {user}"));
    }
}
