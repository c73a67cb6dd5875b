//! A workflow as its file defines it (docs.github.com, "Workflow syntax for GitHub Actions"), as far as ours go:
//! any other key is unknown here, and fails the tests until it is added.

use serde::Deserialize;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub type Words = BTreeMap<String, Value>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what is not used is read all the same, so that nothing is unknown")]
pub struct Workflow {
    pub name: String,
    pub on: BTreeMap<String, Value>,
    pub permissions: BTreeMap<String, String>,
    pub concurrency: Words,
    #[serde(default)]
    pub env: Words,
    pub jobs: BTreeMap<String, Job>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(dead_code, reason = "what is not used is read all the same, so that nothing is unknown")]
pub struct Job {
    pub name: String,
    #[serde(default)]
    pub needs: Needs,
    pub r#if: Option<String>,
    pub runs_on: String,
    pub timeout_minutes: u32,
    pub container: Option<Words>,
    pub environment: Option<String>,
    pub permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    pub strategy: Option<Strategy>,
    #[serde(default)]
    pub env: Words,
    pub steps: Vec<Step>,
}

/// The jobs that a job needs.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Needs {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

impl Needs {
    fn names(&self) -> &[String] {
        match self {
            Needs::None => &[],
            Needs::One(name) => std::slice::from_ref(name),
            Needs::Several(names) => names,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    pub matrix: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what is not used is read all the same, so that nothing is unknown")]
pub struct Step {
    pub name: String,
    pub id: Option<String>,
    pub r#if: Option<String>,
    uses: Option<String>,
    run: Option<String>,
    #[serde(default)]
    with: Words,
    #[serde(default)]
    pub env: Words,
}

/// Work of a step.
pub enum Work<'a> {
    Uses { action: &'a str, with: &'a Words },
    Run(&'a str),
}

impl Step {
    pub fn work(&self) -> Work<'_> {
        match (&self.uses, &self.run) {
            (Some(action), None) => Work::Uses { action, with: &self.with },
            (None, Some(line)) if self.with.is_empty() => Work::Run(line),
            _ => panic!("a step either uses an action or runs a line: {self:?}"),
        }
    }
}

/// A workflow's file, its text, and the parsed workflow.
pub struct File {
    pub path: PathBuf,
    pub text: String,
    pub workflow: Workflow,
}

/// Returns all workflows of this repository.
pub fn all() -> Vec<File> {
    let directory = crate::test_env::context().root.join(".github/workflows");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["ci.yml", "release.yml", "watch.yml"]);
    paths.into_iter().map(read).collect()
}

/// Returns the workflow of a file.
pub fn named(name: &str) -> File {
    all().into_iter().find(|file| file.path.ends_with(name)).unwrap()
}

fn read(path: PathBuf) -> File {
    let text = std::fs::read_to_string(&path).unwrap();
    let workflow = serde_yaml_ng::from_str(&text);
    let workflow = workflow.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    File { path, text, workflow }
}

impl Workflow {
    /// Returns the jobs, each after those that it needs.
    pub fn in_order(&self) -> Vec<(&str, &Job)> {
        let mut done: Vec<(&str, &Job)> = Vec::new();
        while done.len() < self.jobs.len() {
            let ready = self.jobs.iter().find(|(name, job)| {
                let is_done = |wanted: &String| done.iter().any(|(name, _)| name == wanted);
                !is_done(name) && job.needs.names().iter().all(is_done)
            });
            let (name, job) = ready.expect("the jobs need each other in a circle");
            done.push((name, job));
        }
        done
    }

    /// Returns whether a job, or one that it depends on, is needed by this one.
    pub fn depends(&self, job: &Job, on: &str) -> bool {
        job.needs.names().iter().any(|name| name == on || self.depends(&self.jobs[name], on))
    }
}

/// Returns whether GitHub runs a step or a job with this condition, from whether one before it has failed.
pub fn runs(condition: Option<&str>, failed: bool) -> bool {
    match condition {
        None => !failed,
        Some("${{ !cancelled() }}") => true,
        Some("${{ failure() }}") => failed,
        Some(other) => panic!("unknown condition {other:?}"),
    }
}

impl Job {
    /// Returns the runs of the job's matrix: one set of values for each run.
    pub fn runs(&self) -> Vec<BTreeMap<String, String>> {
        let Some(Strategy { matrix }) = &self.strategy else { return vec![BTreeMap::new()] };
        let [(name, values)] = matrix.iter().collect::<Vec<_>>()[..] else {
            panic!("a matrix of one dimension is all that is known here: {matrix:?}")
        };
        values.iter().map(|value| BTreeMap::from([(format!("matrix.{name}"), value.clone())])).collect()
    }
}

/// Returns a value as the text that GitHub makes of it.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        other => panic!("not known as text: {other:?}"),
    }
}

/// Returns a text with its expressions, `${{ … }}`, replaced by their values; one without a value fails.
pub fn expanded(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut parts = text.split("${{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").expect("an expression ends");
        let value = values.get(expression.trim());
        whole.push_str(value.unwrap_or_else(|| panic!("unknown expression {expression:?}")));
        whole.push_str(rest);
    }
    whole
}
