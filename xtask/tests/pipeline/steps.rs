//! Tests of single steps: what their keys depend on, and when a result is reused.

use super::test_env::TestEnv;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use xtask::step::{Plan, Step};

fn step<'a>(name: &'static str, needs: &[&'static str], input: &str) -> Step<'a> {
    let mut step = Step::in_process(name, vec![input.to_owned()]);
    for need in needs {
        step.need(need);
    }
    step
}

#[test]
fn same_result_does_not_run_the_next_step() {
    let env = TestEnv::new();
    let times = AtomicUsize::new(0);
    let run = |input, content: &str| {
        let content = content.to_owned();
        let first = step("first", &[], input)
            .work(move |directory, _| Ok(std::fs::write(directory.join("file"), &content)?));
        let second = step("second", &["first"], "").work(|_, _| {
            times.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        Plan::new(vec![first, second]).unwrap().run(&env.context(), &env.work()).unwrap();
        times.swap(0, Ordering::Relaxed)
    };
    assert_eq!(run("1", "content"), 1);
    assert_eq!(run("2", "content"), 0, "another input, the same result");
    assert_eq!(run("3", "other content"), 1);
}

#[test]
fn plan_refuses_equal_names_and_unknown_needs() {
    let error = |steps| Plan::new(steps).err().unwrap().to_string();
    let twice = vec![step("first", &[], ""), step("first", &[], "other")];
    assert_eq!(error(twice), "two steps are called \"first\"");
    assert_eq!(Plan::new(vec![step("first", &[], ""), step("first", &[], "")]).unwrap().lines().len(), 2);
    let too_early = vec![step("second", &["first"], ""), step("first", &[], "")];
    assert!(error(too_early).contains("\"second\" needs \"first\""));
}

/// Runs a step that writes a file, a directory and a link, and returns its result.
fn run(env: &TestEnv, times: &AtomicUsize) -> PathBuf {
    let step = step("written", &[], "").work(|directory, _| {
        times.fetch_add(1, Ordering::Relaxed);
        std::fs::create_dir(directory.join("directory"))?;
        std::fs::write(directory.join("directory/file"), "text")?;
        Ok(symlink("directory", directory.join("link"))?)
    });
    let plan = Plan::new(vec![step]).unwrap();
    let (results, _) = plan.run(&env.context(), &env.work()).unwrap();
    results.directory("written").unwrap().to_owned()
}

#[test]
fn rebuilds_only_damaged_result() {
    let env = TestEnv::new();
    let times = AtomicUsize::new(0);
    let result = run(&env, &times);
    run(&env, &times);
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
        run(&env, &times);
        assert_eq!(times.swap(0, Ordering::Relaxed), 1, "damage number {index} was not seen");
        assert_eq!(std::fs::read_to_string(result.join("directory/file")).unwrap(), "text");
        assert_eq!(std::fs::read_link(result.join("link")).unwrap(), Path::new("directory"));
        assert!(!result.join("new").exists());
    }
}

#[test]
fn failed_step_leaves_nothing_for_the_next_run() {
    let env = TestEnv::new();
    let fail = AtomicBool::new(true);
    let step = || {
        let step = step("written", &[], "").work(|directory, _| {
            if fail.swap(false, Ordering::Relaxed) {
                std::fs::write(directory.join("half"), "")?;
                anyhow::bail!("as asked");
            }
            Ok(std::fs::write(directory.join("whole"), "")?)
        });
        Plan::new(vec![step]).unwrap()
    };
    let error = step().run(&env.context(), &env.work()).unwrap_err();
    assert_eq!(format!("{error:#}"), "step \"written\": as asked");
    let (results, _) = step().run(&env.context(), &env.work()).unwrap();
    let result = results.directory("written").unwrap();
    assert!(result.join("whole").exists() && !result.join("half").exists());
    let left = std::fs::read_dir(env.work().join("written")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.ends_with(".building")), "{left:?}");
}
