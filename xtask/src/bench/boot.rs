//! Boots of two binaries in turns, on the same guest: ours, and the same with its C code, SQLite, compiled by
//! upstream's own flags, which do not optimise it.

use super::{Row, sqlite};
use crate::boot::guest::Guest;
use crate::boot::machine::{Memory, Size};
use crate::boot::milestone::Milestone;
use crate::boot::payload::Afterwards;
use crate::boot::proof::Proof;
use crate::boot::run::{self, Outcome};
use crate::boot::subject::Subject;
use crate::boot::trial::{Room, Testbed};
use crate::boot::{self, page};
use crate::claim::Claim;
use crate::command::build::{self, BuildOptions};
use crate::doctor::{self, Purpose};
use crate::k3s::{Build, Optimisation, tree};
use crate::step::Plan;
use crate::upstream::chosen::Chosen;
use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How many pairs of boots there are.
const PAIRS: usize = 5;

/// The milestones that are told; the second is the last that is awaited.
const NODE: &str = "node";
const POD: &str = "pod";

/// Measures both on what was chosen.
pub fn run(chosen: &Chosen, options: &BuildOptions) -> Result<()> {
    let (context, target) = (&chosen.context, boot::target()?);
    doctor::require(context, Purpose::Bench, &[boot::tools(), vec!["qemu-riscv64"]].concat())?;
    options.require_bootable(target)?;
    let claim = Claim::on(context, &chosen.claim_file(target.go))?;
    let mut build = build::prepare(chosen, target, options)?;
    ensure!(
        !build.facts.recipe.build("bin/k3s")?.cgo_cflags.is_empty(),
        "upstream sets no C flags of its own in k3s {}, so that Go's `-O2` holds there as it does here",
        build.source.version
    );
    let room = Room::take(context)?;
    let ours = make(&build, &room.path().join("ours"))?;
    build.options.c = Optimisation::Upstream;
    let theirs = make(&build, &room.path().join("theirs"))?;
    drop(claim);
    super::print("our C flags", "upstream's", &sqlite::compare(&build, &ours.insert, &theirs.insert)?);
    let size = Size { memory: Memory(4096), cpus: 2 };
    // By now the packages are in the cache, whoever has put them there.
    Guest::get(context)?;
    let begun = Instant::now();
    let guest = Guest::make(context, &room.path().join("guest"))?;
    let assembled = begun.elapsed().as_secs_f64();
    let testbed = Testbed { context, guest, size, room };
    println!("the guest, assembled of packages in the cache: {assembled:.1} s");
    let rows = boots(&testbed, &Subject::of_binary(&ours.k3s)?, &Subject::of_binary(&theirs.k3s)?)?;
    super::print("our C flags", "upstream's", &rows);
    Ok(())
}

/// What is compiled by the same C flags.
struct Made {
    k3s: PathBuf,
    /// The program that inserts into SQLite.
    insert: PathBuf,
}

/// Makes both; nothing is published as a product.
fn make(build: &Build, folder: &Path) -> Result<Made> {
    let (outputs, _) = Plan::new(build.steps()?)?.run(build.context, &build.folder())?;
    Ok(Made {
        k3s: outputs.of("binary")?.join(build.target.k3s_binary()),
        insert: sqlite::compile(build, &tree::of(&outputs)?, folder)?,
    })
}

/// Seconds from power-on to the node and to the pod, in turns.
fn boots(testbed: &Testbed, ours: &Subject, theirs: &Subject) -> Result<Vec<Row>> {
    let mut milestones = Proof::Alone.milestones();
    let end = milestones.iter().position(|milestone| milestone.name == POD).context("pods are waited for")?;
    milestones.truncate(end + 1);
    let boot = |subject: &Subject| boot(testbed, subject, &milestones);
    let outcomes = super::in_turns(PAIRS, || boot(ours), || boot(theirs))?;
    let rows = [NODE, POD].into_iter().flat_map(|name| {
        let pairs: Vec<(f64, f64)> =
            outcomes.iter().map(|(ours, theirs)| (seconds(ours, name), seconds(theirs, name))).collect();
        super::rows(&format!("power-on to {name}"), "s", &pairs)
    });
    Ok(rows.collect())
}

/// When a milestone was reached; whoever lacks it has failed before.
fn seconds(outcome: &Outcome, name: &str) -> f64 {
    outcome.reached.iter().find(|reached| reached.name == name).map_or(f64::NAN, |reached| reached.at)
}

/// Boots once, as far as these milestones go.
fn boot(testbed: &Testbed, subject: &Subject, milestones: &[Milestone]) -> Result<Outcome> {
    let trial = testbed.begin(subject, Proof::Alone, Afterwards::Off)?;
    let outcome = run::follow_until(&trial.machine, milestones, &testbed.context.progress);
    match &outcome.failure {
        None => Ok(outcome),
        Some(failure) => bail!("a boot that was to be measured failed: {}", page::story(failure)),
    }
}
