//! Tests of single steps: what their keys depend on, and when a result is reused.

use super::place::Place;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use xtask::step::{Plan, Step};

fn step<'a>(name: &'static str, needs: &[&'static str], input: &str) -> Step<'a> {
    Step {
        name,
        recipe: &["code"],
        needs: needs.to_vec(),
        inputs: vec![input.to_owned()],
        run: Box::new(|_, _| Ok(())),
    }
}

/// Returns the key of the second of two steps, after a change.
fn key(change: impl FnOnce(&mut Step, &mut Step)) -> String {
    let mut first = step("first", &[], "1");
    let mut second = step("second", &["first"], "2");
    change(&mut first, &mut second);
    let name = second.name;
    Plan::new(vec![first, second]).unwrap().key(name).unwrap().to_string()
}

#[test]
fn key_depends_on_code_inputs_and_needs() {
    let keys = [
        key(|_, _| {}),
        key(|_, second| second.recipe = &["newer code"]),
        key(|_, second| second.inputs = vec!["3".to_owned()]),
        key(|_, second| second.name = "other"),
        key(|first, _| first.inputs = vec!["3".to_owned()]),
        key(|first, _| first.recipe = &["newer code"]),
    ];
    for (index, one) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(one), "the change number {index} is not in the key");
    }
    assert_eq!(keys[0], key(|_, _| {}));
}

#[test]
fn plan_refuses_two_steps_of_one_name_and_unknown_needs() {
    let error = |steps| Plan::new(steps).err().unwrap().to_string();
    let twice = vec![step("first", &[], ""), step("first", &[], "other")];
    assert_eq!(error(twice), "two steps are called \"first\"");
    let too_early = vec![step("second", &["first"], ""), step("first", &[], "")];
    assert!(error(too_early).contains("\"second\" needs \"first\""));
}

/// Runs a step that writes a file, a directory and a link, and returns its result.
fn run(place: &Place, times: &AtomicUsize) -> PathBuf {
    let mut step = step("written", &[], "");
    step.run = Box::new(|directory, _| {
        times.fetch_add(1, Ordering::Relaxed);
        std::fs::create_dir(directory.join("directory"))?;
        std::fs::write(directory.join("directory/file"), "text")?;
        Ok(symlink("directory", directory.join("link"))?)
    });
    let plan = Plan::new(vec![step]).unwrap();
    let (outputs, _) = plan.run(&place.context(), &place.work()).unwrap();
    outputs.of("written").unwrap().to_owned()
}

#[test]
fn damaged_result_is_made_again_and_others_are_kept() {
    let place = Place::new();
    let times = AtomicUsize::new(0);
    let result = run(&place, &times);
    run(&place, &times);
    assert_eq!(times.swap(0, Ordering::Relaxed), 1);
    let damages: [fn(&Path); 5] = [
        |result| std::fs::write(result.join("directory/file"), "texT").unwrap(),
        |result| std::fs::write(result.join("new"), "").unwrap(),
        |result| std::fs::remove_file(result.join("link")).unwrap(),
        |result| {
            std::fs::remove_file(result.join("link")).unwrap();
            symlink("elsewhere", result.join("link")).unwrap();
        },
        |result| {
            std::fs::remove_file(result.join("link")).unwrap();
            std::fs::write(result.join("link"), "text").unwrap();
        },
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        damage(&result);
        run(&place, &times);
        assert_eq!(times.swap(0, Ordering::Relaxed), 1, "damage number {index} was not seen");
        assert_eq!(std::fs::read_to_string(result.join("directory/file")).unwrap(), "text");
        assert_eq!(std::fs::read_link(result.join("link")).unwrap(), Path::new("directory"));
        assert!(!result.join("new").exists());
    }
}

#[test]
fn failed_step_leaves_nothing_for_the_next_run() {
    let place = Place::new();
    let fail = AtomicBool::new(true);
    let step = || {
        let mut step = step("written", &[], "");
        step.run = Box::new(|directory, _| {
            if fail.swap(false, Ordering::Relaxed) {
                std::fs::write(directory.join("half"), "")?;
                anyhow::bail!("as asked");
            }
            Ok(std::fs::write(directory.join("whole"), "")?)
        });
        Plan::new(vec![step]).unwrap()
    };
    let error = step().run(&place.context(), &place.work()).unwrap_err();
    assert_eq!(format!("{error:#}"), "step \"written\": as asked");
    let (outputs, _) = step().run(&place.context(), &place.work()).unwrap();
    let result = outputs.of("written").unwrap();
    assert!(result.join("whole").exists() && !result.join("half").exists());
    let left = std::fs::read_dir(place.work().join("written")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.ends_with(".making")), "{left:?}");
}
