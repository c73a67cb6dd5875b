//! `cargo xtask watch`: follows upstream's releases.

use super::{bump, patch};
use crate::atomic_file;
use crate::clock::Day;
use crate::context::Context;
use crate::dir;
use crate::error;
use crate::lockfile::{Adding, Lockfile, compare};
use crate::patch::{PatchSet, Values};
use crate::pins;
use crate::upstream::lines::{self, Lines};
use crate::upstream::release::{self, Source, SourceRequest, UPSTREAM};
use crate::upstream::transfer::{self, GitSettings};
use crate::upstream::version::{Line, Version};
use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Look for new releases of the lines that upstream maintains, and lock those to which the patches apply
///
/// The newest release of each line is compared with k3s.lock.json. One that is newer is locked if all patches apply, and
/// becomes the default if it is of the default's line. A locked tag that has moved stops everything. Nothing is built.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask watch                  the living lines in xtask/lines.json
  cargo xtask watch --line v1.34     one line, living or not")]
pub struct Args {
    /// Look at this line, which may be repeated, instead of those that upstream maintains
    #[arg(long = "line", value_name = "LINE")]
    pub lines: Vec<Line>,

    /// Write what changed and what needs a person as Markdown, changes.md and problems.md
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
}

/// The file of the report with what changed. It is not written if nothing has.
pub const CHANGES: &str = "changes.md";
/// The file of the report with the error. It is not written if there is none.
pub const PROBLEMS: &str = "problems.md";

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        self.watch(context, &GitSettings::of_user(context))
    }

    /// Does the same with these settings of git.
    pub fn watch(&self, context: &Context, git: &GitSettings) -> Result<()> {
        let mut changes = Vec::new();
        let result = self.follow(context, git, &mut changes);
        if let Some(directory) = &self.report {
            let directory = std::path::absolute(directory)?;
            write(&directory.join(CHANGES), changes.join("\n"))?;
            let problem = result.as_ref().err().map(error::chain).unwrap_or_default();
            // Indented text is code, which nothing inside of it can end.
            write(&directory.join(PROBLEMS), problem.lines().map(|line| format!("    {line}\n")).collect())?;
        }
        result
    }

    /// Locks what is new, and describes each change when it is done.
    fn follow(&self, context: &Context, git: &GitSettings, changes: &mut Vec<String>) -> Result<()> {
        let lock = Lockfile::open(&context.lock_file, Adding::Allowed)?;
        let tags = tags_of_upstream(context, git, &lock)?;
        let default: Version = context.pins.k3s.version.parse().context("reading the default k3s")?;
        let (lines, mut problems) = match self.lines.as_slice() {
            [] => {
                let table = Lines::committed(&context.root)?;
                let living = table.living(&Day::of(context.clock.now()));
                let problems = outdated(&table, &living, &tags, &default);
                (living, problems)
            }
            named => (named.to_vec(), Vec::new()),
        };
        for line in lines {
            let Some(version) = release::newest(tags.keys(), &line.to_string()) else {
                println!("{line}: upstream has no release");
                continue;
            };
            let locked = release::newest(lock.tags(UPSTREAM).iter(), &line.to_string());
            if let Some(locked) = locked.filter(|locked| *locked >= version) {
                println!("{line}: nothing newer than {locked}");
                continue;
            }
            match prove(context, git, &version) {
                Ok(source) => changes.extend(take_over(context, &lock, &default, &source)?),
                Err(problem) => {
                    println!("{line}: {version} is new and was not locked");
                    problems.push(problem);
                }
            }
        }
        let problems: Vec<String> = problems.iter().map(error::chain).collect();
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(())
    }
}

/// Writes a file of the report, or removes that of an earlier run.
fn write(path: &Path, text: String) -> Result<()> {
    match text.is_empty() {
        true => dir::remove(path),
        false => atomic_file::write(path, text.as_bytes(), 0o644),
    }
}

/// Returns the tags of k3s with their commits.
///
/// # Errors
/// If a locked tag of any repository means another commit now, or none: all of them are named.
fn tags_of_upstream(
    context: &Context,
    git: &GitSettings,
    lock: &Lockfile,
) -> Result<BTreeMap<String, String>> {
    let mut of_upstream = BTreeMap::new();
    let mut moved = Vec::new();
    let mut repositories = lock.commits();
    repositories.entry(UPSTREAM.to_owned()).or_default();
    for (url, locked) in repositories {
        let tags = transfer::tags(context, git, &url)?;
        for (tag, commit) in locked {
            let found = tags.get(&tag).map_or("no such tag", String::as_str);
            if found != commit {
                moved.push(format!("- {tag} of {url}\n    locked  {commit}\n    found   {found}"));
            }
        }
        if url == UPSTREAM {
            of_upstream = tags;
        }
    }
    if !moved.is_empty() {
        bail!(
            "locked tags have moved, and nothing was changed\n{}\n  \
             If upstream moved one for a reason you accept: cargo xtask bump --k3s TAG",
            moved.join("\n")
        );
    }
    Ok(of_upstream)
}

/// Returns the reasons why the table of lines, or the default, needs a person.
fn outdated(
    table: &Lines,
    living: &[Line],
    tags: &BTreeMap<String, String>,
    default: &Version,
) -> Vec<Error> {
    let mut problems = Vec::new();
    if let Some(newest) = release::newest(tags.keys(), release::STABLE).map(|version| version.line())
        && table.newest().is_none_or(|known| known < newest)
    {
        problems.push(anyhow!("{newest} has releases, and {} does not have its last day", lines::FILE));
    }
    if !living.contains(&default.line()) {
        problems.push(anyhow!("the default in {}, {default}, is of a line that has ended", pins::FILE));
    }
    problems
}

/// Fetches a release and checks the patches against it. Nothing is locked.
fn prove(context: &Context, git: &GitSettings, version: &Version) -> Result<Source> {
    let request = SourceRequest::Release(version.to_string());
    let source = release::find(context, &Lockfile::empty(), git, &request)?;
    let values = Values { pause_image: context.pins.pause_image.reference.clone(), releases: None };
    patch::check(context, &source, &PatchSet::load(&context.root, None)?, &values)?;
    Ok(source)
}

/// Locks a release, and makes it the default if it is of the default's line. Returns a description of each change.
fn take_over(context: &Context, lock: &Lockfile, default: &Version, source: &Source) -> Result<Vec<String>> {
    let tag = source.version.to_string();
    let commit = &source.commit.id;
    bump::lock_tag(context, lock, UPSTREAM, &tag, commit)?;
    let page = compare::page_of_tag(UPSTREAM, &tag);
    let mut changes =
        vec![format!("- The patches apply to k3s {tag}, locked at {commit}. Compare it: {page}")];
    if source.version.line() == default.line() {
        pins::set_k3s(&context.root, &tag)?;
        println!("changed the default k3s\n  before {default}\n  now    {tag}");
        changes.push(format!("- The default is {tag}. Before, it was {default}."));
    }
    Ok(changes)
}
