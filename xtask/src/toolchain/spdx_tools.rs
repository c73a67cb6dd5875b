//! spdx-tools, which validates bills of materials: the reference implementation of SPDX in Python (github.com/spdx).

use super::python::Python;
use super::tool_directory::ToolDirectory;
use crate::context::Context;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// Validates a document, and prints every problem.
const VALIDATE: &str = "
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
with open(sys.argv[2], encoding='utf-8') as file:
    document = JsonLikeDictParser().parse(json.load(file))
problems = validate_full_spdx_document(document)
for problem in problems:
    print(problem.context.spdx_id, problem.validation_message, file=sys.stderr)
sys.exit(1 if problems else 0)
";

/// Returns the directory of the packages, which are fetched on first use with the user's pip settings.
pub fn get(context: &Context) -> Result<PathBuf> {
    let pin = &context.pins.spdx_tools;
    let directory = ToolDirectory { name: "spdx-tools", version: &pin.version };
    let fetch = |files: &Path| install(context, files);
    directory.get(context, fetch).with_context(|| format!("cannot get spdx-tools {}", pin.version))
}

/// Validates a document. Problems are in the error.
pub fn validate(context: &Context, document: &Path) -> Result<()> {
    let packages = get(context)?;
    let python = Python::with_pip(context)?;
    python
        .program(context, [Path::new("-c"), Path::new(VALIDATE), &packages, document])
        .read()
        .map(drop)
        .with_context(|| format!("{} is no valid SPDX document", document.display()))
}

fn install(context: &Context, into: &Path) -> Result<()> {
    let scratch = tempfile::tempdir_in(into.parent().context("a tool has a directory")?)?;
    let requirements = scratch.path().join("requirements.txt");
    let packages = context.pins.spdx_tools.packages.iter();
    fs::write(
        &requirements,
        packages.map(|(it, sum)| format!("{it} --hash=sha256:{sum}\n")).collect::<String>(),
    )?;
    let pip = "-m pip install --quiet --no-deps --no-compile --only-binary=:all: --require-hashes".split(' ');
    let pip = pip.map(Path::new).chain([Path::new("-r"), &requirements, Path::new("--target"), into]);
    let python = Python::with_pip(context)?;
    python
        .program(context, pip)
        .inherit("PIP_", &[])
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .log("spdx-tools")
        .run()
}
