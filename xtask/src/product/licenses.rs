//! Licence texts: the files that contain them, their SPDX identifiers, and one document of all.

use anyhow::{Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The identifier of a package whose licence is not recognised and has to be reviewed.
pub const UNIDENTIFIED: &str = "LicenseRef-unidentified";

/// A package in the product that others wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThirdPartyPackage {
    /// Its name and version.
    pub name: String,
    /// SPDX identifiers (spdx.org/licenses).
    pub licenses: BTreeSet<String>,
    /// The texts that have to be distributed with it, by file name.
    pub texts: Vec<(String, String)>,
    /// The place of the sources or texts that are not included.
    pub remark: Option<String>,
}

impl ThirdPartyPackage {
    /// Reads the licence files in a package's directory, which existed when the package was compiled.
    pub fn in_directory(name: &str, directory: &Path) -> Result<ThirdPartyPackage> {
        ensure!(
            directory.is_dir(),
            "the licences of {name} cannot be read: {} was removed\n  \
             cargo xtask cache --prune, and the same build fetches it again",
            directory.display()
        );
        let mut texts = Vec::new();
        for entry in walkdir::WalkDir::new(directory).max_depth(1).sort_by_file_name() {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy();
            if entry.file_type().is_file() && contains_a_license(&file) {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).replace("\r\n", "\n");
                texts.push((file.into_owned(), text));
            }
        }
        if texts.is_empty() {
            texts.extend(heading(directory)?);
        }
        Ok(ThirdPartyPackage::of(name, texts))
    }

    /// Returns a package with these texts.
    pub fn of(name: &str, texts: Vec<(String, String)>) -> ThirdPartyPackage {
        let mut licenses: BTreeSet<String> = texts.iter().flat_map(|(_, text)| identify(text)).collect();
        if licenses.is_empty() {
            licenses.insert(UNIDENTIFIED.to_owned());
        }
        ThirdPartyPackage { name: name.to_owned(), licenses, texts, remark: None }
    }

    /// Returns a package of known licences whose texts are not included.
    pub fn elsewhere(name: &str, licenses: &[&str], remark: impl Into<String>) -> ThirdPartyPackage {
        let licenses = licenses.iter().map(|id| (*id).to_owned()).collect();
        ThirdPartyPackage { name: name.to_owned(), licenses, texts: vec![], remark: Some(remark.into()) }
    }
}

/// Returns the heading of the first Go file whose heading names a licence, for a module without a licence file.
fn heading(directory: &Path) -> Result<Option<(String, String)>> {
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() || entry.path().extension().is_none_or(|extension| extension != "go")
        {
            continue;
        }
        let source = fs::read(entry.path())?;
        let source = String::from_utf8_lossy(&source);
        let comment = source.lines().map_while(|line| line.strip_prefix("//"));
        let comment: Vec<&str> = comment.map(str::trim).collect();
        let text = comment.join("\n");
        if !identify(&text).is_empty() {
            let file = entry.path().strip_prefix(directory)?;
            return Ok(Some((file.display().to_string(), text)));
        }
    }
    Ok(None)
}

/// Returns whether a file of this name contains a licence, a copyright notice or a grant of patents.
pub fn contains_a_license(file: &str) -> bool {
    let upper = file.to_uppercase();
    let named = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "PATENTS", "UNLICENSE"];
    let source = [".GO", ".C", ".H", ".JSON", ".TMPL", ".YML", ".YAML"];
    (named.iter().any(|name| upper.starts_with(name)) || upper.ends_with("-LICENSE"))
        && !source.iter().any(|extension| upper.ends_with(extension))
}

/// Phrases that are unique to one licence, and its SPDX identifier.
const PHRASES: [(&str, &str); 15] = [
    ("Apache License Version 2.0", "Apache-2.0"),
    ("Licensed under the Apache License, Version 2.0", "Apache-2.0"),
    // One of two that the receiver may choose from.
    ("Apache License 2.0 as shown at http://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
    ("Apache-2.0 Software License: https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
    ("Permission to use, copy, modify, and/or distribute this software for any purpose", "ISC"),
    ("Permission to use, copy, modify, and distribute this software for any purpose", "ISC"),
    ("Mozilla Public License Version 2.0", "MPL-2.0"),
    ("Mozilla Public License, version 2.0", "MPL-2.0"),
    ("GNU LESSER GENERAL PUBLIC LICENSE Version 2.1", "LGPL-2.1-only"),
    ("GNU LESSER GENERAL PUBLIC LICENSE Version 3", "LGPL-3.0-only"),
    ("GNU GENERAL PUBLIC LICENSE Version 2", "GPL-2.0-only"),
    ("GNU GENERAL PUBLIC LICENSE Version 3", "GPL-3.0-only"),
    ("This is free and unencumbered software released into the public domain", "Unlicense"),
    ("CC0 1.0 Universal", "CC0-1.0"),
    ("Boost Software License - Version 1.0", "BSL-1.0"),
];

/// Returns the licences that a text holds, recognised by their own words.
fn identify(text: &str) -> BTreeSet<String> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found: BTreeSet<String> = PHRASES
        .iter()
        .filter(|(phrase, _)| words.contains(phrase))
        .map(|(_, identifier)| (*identifier).to_owned())
        .collect();
    // The third clause forbids to use the authors' names, the fourth one demands them in advertisements.
    for part in words.split("Redistribution and use in source and binary forms").skip(1) {
        let license = match part {
            _ if part.contains("All advertising materials mentioning") => "BSD-4-Clause",
            _ if part.contains("endorse or promote") => "BSD-3-Clause",
            _ => "BSD-2-Clause",
        };
        found.insert(license.to_owned());
    }
    // MIT has a condition, which is to keep the notice.
    for part in
        words.split("Permission is hereby granted, free of charge, to any person obtaining a copy").skip(1)
    {
        let is_unconditional = part.contains("furnished to do so. THE SOFTWARE IS PROVIDED");
        found.insert(if is_unconditional { "MIT-0" } else { "MIT" }.to_owned());
    }
    found
}

/// Returns all components with their licences, and each text once.
pub fn document(of: &str, components: &[ThirdPartyPackage]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut texts: Vec<(&str, Vec<String>)> = Vec::new();
    let mut list = String::new();
    for component in components {
        let mut own: Vec<usize> = Vec::new();
        for (file, text) in &component.texts {
            let number = *numbers.entry(text.trim()).or_insert_with(|| {
                texts.push((text.trim(), vec![]));
                texts.len()
            });
            texts[number - 1].1.push(format!("{}, {file}", component.name));
            own.push(number);
        }
        let licenses = component.licenses.iter().map(String::as_str).collect::<Vec<_>>().join(" AND ");
        let own = own.iter().map(|number| format!(" [{number}]")).collect::<String>();
        list.push_str(&format!("{}: {licenses}{own}\n", component.name));
        if let Some(remark) = &component.remark {
            list.push_str(&format!("    {remark}\n"));
        }
    }
    let mut document = format!(
        "Third-party software in {of}, each with its licence (SPDX) and\nthe numbers of the texts below.\n\n{list}"
    );
    for (index, (text, holders)) in texts.iter().enumerate() {
        document.push_str(&format!("\n{}\n[{}]\n", "=".repeat(78), index + 1));
        document.extend(holders.iter().map(|holder| format!("    {holder}\n")));
        document.push_str(&format!("{}\n\n{text}\n", "-".repeat(78)));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(text: &str) -> Vec<String> {
        identify(text).into_iter().collect()
    }

    #[test]
    fn recognises_licences_whatever_the_line_breaks() {
        let bsd = "Redistribution and use in source and binary forms, with or without\nmodification";
        assert_eq!(identified(bsd), ["BSD-2-Clause"]);
        assert_eq!(identified(&format!("{bsd} … may be used to\n   endorse or promote")), ["BSD-3-Clause"]);
        assert_eq!(identified("      Apache License\n   Version 2.0, January 2004"), ["Apache-2.0"]);
        let two = "Permission is hereby granted, free of charge, to any\nperson obtaining a copy\n\nCC0 1.0 Universal";
        assert_eq!(identified(two), ["CC0-1.0", "MIT"]);
        assert_eq!(identified("All rights reserved."), [""; 0]);
    }

    #[test]
    fn distinguishes_variants_of_bsd_and_mit() {
        let bsd = "Redistribution and use in source and binary forms … 3. All advertising materials mentioning\n\
                   features … 4. … used to endorse or promote";
        assert_eq!(identified(bsd), ["BSD-4-Clause"]);
        let mit = "Permission is hereby granted, free of charge, to any person obtaining a copy … is\nfurnished to do so";
        assert_eq!(identified(&format!("{mit}.\n\nTHE SOFTWARE IS PROVIDED")), ["MIT-0"]);
        assert_eq!(identified(&format!("{mit}, subject to the following conditions:")), ["MIT"]);
    }

    #[test]
    fn mozilla_licence_is_not_one_that_it_mentions() {
        let text = "Mozilla Public License Version 2.0 … GNU General Public License, Version 2.0";
        assert_eq!(identified(text), ["MPL-2.0"]);
    }

    #[test]
    fn a_shared_text_is_printed_once() {
        let text = |file: &str| vec![(file.to_owned(), "Boost Software License - Version 1.0\n".to_owned())];
        let components = [
            ThirdPartyPackage::of("a v1", text("LICENSE")),
            ThirdPartyPackage::of("b v2", text("COPYING")),
            ThirdPartyPackage::elsewhere("c", &["MIT"], "see c"),
        ];
        let document = document("x", &components);
        assert_eq!(document.matches("Boost Software").count(), 1);
        assert!(document.contains("a v1: BSL-1.0 [1]\nb v2: BSL-1.0 [1]\nc: MIT\n    see c\n"), "{document}");
        assert!(document.contains("[1]\n    a v1, LICENSE\n    b v2, COPYING\n"), "{document}");
    }

    #[test]
    fn sources_name_the_licence_that_no_file_contains() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("doc.go", "// Package doc\npackage doc");
        let package = || ThirdPartyPackage::in_directory("a", directory.path()).unwrap();
        write(
            "v1/a.go",
            "// Copyright A\n//\n// Licensed under the Apache License, Version 2.0\n\npackage v1\n",
        );
        let text = "Copyright A\n\nLicensed under the Apache License, Version 2.0";
        assert_eq!(package().texts, [("v1/a.go".to_owned(), text.to_owned())]);
        assert!(package().licenses.contains("Apache-2.0"));
        write("COPYING", "Boost Software License - Version 1.0");
        assert_eq!(package().licenses, BTreeSet::from(["BSL-1.0".to_owned()]));
    }

    #[test]
    fn a_component_without_a_known_licence_says_so() {
        let component = ThirdPartyPackage::of("a", vec![("NOTICE".into(), "Thanks.".into())]);
        assert!(component.licenses.contains(UNIDENTIFIED));
        assert!(contains_a_license("License.txt") && contains_a_license("MIT-LICENSE"));
        assert!(!contains_a_license("license.go") && !contains_a_license("README.md"));
    }
}
