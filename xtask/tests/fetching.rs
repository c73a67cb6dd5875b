//! Tests of downloads from servers that break off, send wrong bytes, have no ranges or do not answer: no file is ever
//! used without the right checksum.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "support/http.rs"]
mod http;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "support/test_env.rs"]
mod test_env;

use http::{Request, Server, answer, cut, ranged, status, whole};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use test_env::TestEnv;
use xtask::clock::Clock;
use xtask::context::{Context, Network};
use xtask::digest::Digest;
use xtask::fetch::{self, Download, FirstUse};

const FILE: &[u8] = b"what was expected, byte for byte, and long enough to be cut in the middle";

/// Returns a context with an empty cache, which never waits.
fn context(env: &TestEnv) -> Context {
    Context { cache: env.path("cache"), clock: Box::new(Waits::default()), ..test_env::context() }
}

/// A clock that does not advance, and records the requested waits.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Vec<u64>>>);

impl Clock for Waits {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn wait(&self, pause: Duration) {
        self.0.lock().unwrap().push(pause.as_secs());
    }
}

fn download(server: &Server) -> Download {
    let url = format!("{}/dir/file.tar", server.url);
    Download { name: "file.tar".parse().unwrap(), url, sha256: Digest::of(FILE) }
}

/// Returns the partial and complete files in the cache, without the file locks beside them.
fn kept(context: &Context) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(context.cache.join("downloads")).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
}

fn parts(context: &Context) -> Vec<Vec<u8>> {
    let parts = kept(context).into_iter().filter(|path| path.extension().unwrap() == "part");
    parts.map(|path| std::fs::read(path).unwrap()).collect()
}

fn first_use(context: &Context, url: &str) -> anyhow::Result<FirstUse> {
    fetch::first_use(context, &"file.tar".parse().unwrap(), url, &|_| Ok(()))
}

fn ranges(server: &Server) -> Vec<Option<String>> {
    server.requests().iter().map(|request| request.headers.get("range").cloned()).collect()
}

#[track_caller]
fn is_the_file(context: &Context, path: &Path) {
    assert_eq!(std::fs::read(path).unwrap(), FILE);
    assert_eq!(kept(context), [path], "nothing else is kept");
}

#[test]
fn credentials_of_a_url_go_to_its_server() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let context = context(&env);
    let plain = download(&server);
    let url = plain.url.replacen("://", "://me:secret@", 1);
    Download { url, ..plain }.get(&context).unwrap();
    assert_eq!(server.requests()[0].headers["authorization"], "Basic bWU6c2VjcmV0");
}

#[test]
fn another_file_is_not_taken_into_the_cache() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let context = context(&env);
    let file = env.path("file.tar");
    std::fs::write(&file, "another").unwrap();
    let error = download(&server).take(&context, &file).unwrap_err().to_string();
    assert!(error.contains("has another checksum than expected"), "{error}");
    assert_eq!(kept(&context), [""; 0].map(PathBuf::from));
    std::fs::write(&file, FILE).unwrap();
    download(&server).take(&context, &file).unwrap();
    is_the_file(&context, &download(&server).path(&context));
    assert!(server.requests().is_empty());
}

#[test]
fn fetches_once() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let context = context(&env);
    let path = download(&server).get(&context).unwrap();
    is_the_file(&context, &path);
    assert_eq!(download(&server).get(&context).unwrap(), path);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].target, "/dir/file.tar");
}

#[test]
fn resumes_after_broken_connection() {
    let answer = |request: &Request, before| match before {
        0 => cut(whole(FILE), 30),
        _ => ranged(request, FILE),
    };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let context = context(&env);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(ranges(&server), [None, Some(format!("bytes={}-", FILE.len() - 30))]);
}

#[test]
fn uses_cache_of_earlier_run() {
    let answer = |request: &Request, before| match before {
        0..=3 => cut(ranged(request, FILE), 10),
        _ => ranged(request, FILE),
    };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let context = context(&env);
    let message = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(message.contains("after 4 attempts"), "{message}");
    assert!(message.contains("what has arrived is kept and resumed next time"), "{message}");
    assert_eq!(parts(&context).len(), 1);
    let have = parts(&context)[0].len();
    assert!(0 < have && have < FILE.len(), "{have}");
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(ranges(&server).last().unwrap().as_deref(), Some(format!("bytes={have}-").as_str()));
}

#[test]
fn starts_over_without_range_support() {
    let answer = |_: &Request, before| if before == 0 { cut(whole(FILE), 1) } else { whole(FILE) };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let context = context(&env);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn retries_overloaded_server() {
    let answer = |_: &Request, before| match before {
        0 => status("503 Service Unavailable"),
        _ => whole(FILE),
    };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let context = context(&env);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn does_not_retry_404() {
    let (server, env) = (Server::start(|_, _| status("404 Not Found")), TestEnv::new());
    let context = context(&env);
    let message = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(
        message.contains(&download(&server).url) && message.contains("404: there is no such file"),
        "{message}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn rejects_and_removes_other_checksum() {
    let (server, env) = (Server::start(|_, _| whole(b"something else")), TestEnv::new());
    let context = context(&env);
    let message = format!("{:#}", download(&server).get(&context).unwrap_err());
    for said in [Digest::of(FILE).as_str(), Digest::of("something else").as_str(), "The file was removed"] {
        assert!(message.contains(said), "{said:?} is missing: {message}");
    }
    assert_eq!(kept(&context), [""; 0].map(PathBuf::from));
}

#[test]
fn discards_part_of_another_file() {
    let (server, env) = (Server::start(|request, _| ranged(request, FILE)), TestEnv::new());
    let context = context(&env);
    let answer = |_: &Request, before| match before {
        0 => cut(whole(&FILE.to_ascii_uppercase()), 30),
        _ => status("404 Not Found"),
    };
    let liar = Server::start(answer);
    let lie = Download { url: format!("{}/dir/file.tar", liar.url), ..download(&server) };
    lie.get(&context).unwrap_err();
    assert_eq!(parts(&context).len(), 1);
    is_the_file(&context, &download(&server).get(&context).unwrap());
}

#[test]
fn replaces_damaged_file() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let context = context(&env);
    let path = download(&server).get(&context).unwrap();
    for damage in
        [&FILE[..10], b"", b"as long as the true one, but this is not what was expected of it, is it?"]
    {
        std::fs::write(&path, damage).unwrap();
        is_the_file(&context, &download(&server).get(&context).unwrap());
    }
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn tries_mirror_before_own_host() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let download = download(&server);
    let host = server.url.strip_prefix("http://").unwrap().to_owned();

    let mirror = Server::start(|_, _| whole(FILE));
    let mirrored = Context { mirror: Some(format!("{}/cache", mirror.url)), ..context(&env) };
    is_the_file(&mirrored, &download.get(&mirrored).unwrap());
    assert_eq!(mirror.requests()[0].target, format!("/cache/{host}/dir/file.tar"));
    assert_eq!(server.requests().len(), 0);

    let (empty, env) = (Server::start(|_, _| status("404 Not Found")), TestEnv::new());
    let without = Context { mirror: Some(empty.url.clone()), ..context(&env) };
    is_the_file(&without, &download.get(&without).unwrap());
    assert_eq!((empty.requests().len(), server.requests().len()), (1, 1));
}

#[test]
fn a_mirror_with_another_file_is_refused_and_named() {
    let (server, mirror) = (Server::start(|_, _| whole(FILE)), Server::start(|_, _| whole(b"old")));
    let env = TestEnv::new();
    let context = Context { mirror: Some(mirror.url.clone()), ..context(&env) };
    let message = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(message.contains(&mirror.url), "{message}");
    assert_eq!(kept(&context), [""; 0].map(PathBuf::from));
}

#[test]
fn offline_uses_only_local_files() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let offline = Context { network: Network::Forbidden, ..context(&env) };
    let message = format!("{:#}", download(&server).get(&offline).unwrap_err());
    assert_eq!(
        message,
        format!("file.tar is not in the cache, and --offline forbids fetching {}", download(&server).url)
    );
    std::fs::create_dir_all(download(&server).path(&offline).parent().unwrap()).unwrap();
    std::fs::write(download(&server).path(&offline), "damaged").unwrap();
    let message = format!("{:#}", download(&server).get(&offline).unwrap_err());
    assert!(message.starts_with("file.tar is damaged in the cache, and --offline"), "{message}");
    let message = format!("{:#}", first_use(&offline, &download(&server).url).err().unwrap());
    assert!(message.contains("--offline forbids fetching"), "{message}");
    assert_eq!(server.requests().len(), 0);

    let host = server.url.strip_prefix("http://").unwrap();
    let file = env.path("mirror").join(host).join("dir/file.tar");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, FILE).unwrap();
    let mirror = format!("file://{}", env.path("mirror").display());
    let mirrored = Context { mirror: Some(mirror), ..offline };
    is_the_file(&mirrored, &download(&server).get(&mirrored).unwrap());
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn first_use_is_of_one_run() {
    let old = FILE.to_ascii_uppercase();
    let answer = move |request: &Request, before| match before {
        0 => cut(ranged(request, &old), 10),
        1 => status("404 Not Found"),
        _ => ranged(request, FILE),
    };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let context = context(&env);
    let url = download(&server).url;
    assert!(first_use(&context, &url).is_err());
    let found = first_use(&context, &url).unwrap().download;
    assert_eq!(found.sha256, Digest::of(FILE));
    is_the_file(&context, &found.path(&context));
    assert_eq!(found.get(&context).unwrap(), found.path(&context));
}

#[test]
fn parallel_first_uses_are_independent() {
    let slowly = |_: &Request, _| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        whole(FILE)
    };
    let (server, env) = (Server::start(slowly), TestEnv::new());
    let (one, other) = (context(&env), context(&env));
    let get = |context| download(&server).get(context).unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get(&one));
        let second = scope.spawn(|| get(&other));
        assert_eq!(first.join().unwrap(), second.join().unwrap());
    });
    assert_eq!(server.requests().len(), 1);
}

/// Answers that no first use may accept as a complete file.
#[test]
fn first_use_rejects_incomplete_file() {
    let lengthless = answer("200 OK", &[], &FILE[..20]);
    let chunked = |end: &str| {
        let body = format!("14\r\n{}\r\n{end}", String::from_utf8_lossy(&FILE[..20]));
        answer("200 OK", &[("Transfer-Encoding", "chunked".to_owned())], body.as_bytes())
    };
    let other_part = answer(
        "206 Partial Content",
        &[("Content-Length", "20".to_owned()), ("Content-Range", "bytes 0-19/72".to_owned())],
        &FILE[..20],
    );
    let gzip = [("Content-Length", "20".to_owned()), ("Content-Encoding", "gzip".to_owned())];
    let gzip = answer("200 OK", &gzip, &FILE[..20]);
    let endless = answer("200 OK", &[("Content-Length", (1_u64 << 40).to_string())], b"");
    for (sent, why) in [
        (lengthless, "does not say where the file ends"),
        (chunked(""), "after 4 attempts"),
        (cut(whole(FILE), 30), "after 4 attempts"),
        (other_part, "a partial response (206), which was not requested"),
        (gzip, "Content-Encoding \"gzip\""),
        (endless, "more than 512"),
    ] {
        let (server, env) = (Server::start(move |_, _| sent.clone()), TestEnv::new());
        let context = context(&env);
        let message = format!("{:#}", first_use(&context, &download(&server).url).err().unwrap());
        assert!(message.contains(why), "{why}: {message}");
        let finished = kept(&context).into_iter().filter(|path| path.extension().unwrap() != "part");
        assert_eq!(finished.collect::<Vec<_>>(), [""; 0].map(PathBuf::from));
    }
    let (server, env) = (Server::start(move |_, _| chunked("0\r\n\r\n")), TestEnv::new());
    let found = first_use(&context(&env), &download(&server).url).unwrap();
    assert_eq!(found.download.sha256, Digest::of(&FILE[..20]));
}

#[test]
fn a_first_use_is_never_resumed() {
    let old = FILE.to_ascii_uppercase();
    let answer = move |request: &Request, before| match before {
        0 => cut(whole(&old), 10),
        _ => ranged(request, FILE),
    };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let found = first_use(&context(&env), &download(&server).url).unwrap();
    assert_eq!(found.download.sha256, Digest::of(FILE));
    assert_eq!(ranges(&server), [None, None]);
}

#[test]
fn a_first_use_of_a_refused_format_leaves_nothing() {
    let (server, env) = (Server::start(|_, _| whole(b"<!DOCTYPE html><p>log in")), TestEnv::new());
    let context = context(&env);
    let check = |_: &Path| anyhow::bail!("it is no archive");
    let name = "file.tar".parse().unwrap();
    let message =
        format!("{:#}", fetch::first_use(&context, &name, &download(&server).url, &check).err().unwrap());
    for said in [&server.url, "it is no archive", "was not locked", "want you to log in first"] {
        assert!(message.contains(said), "{said:?} is missing: {message}");
    }
    assert_eq!(kept(&context), [""; 0].map(PathBuf::from));
}

#[test]
fn rejects_wrong_content_range() {
    let answer = |request: &Request, before| match before {
        0 => cut(whole(FILE), 30),
        1 => answer(
            "206 Partial Content",
            &[("Content-Length", "30".to_owned()), ("Content-Range", "bytes 0-29/72".to_owned())],
            &FILE[..30],
        ),
        _ => ranged(request, FILE),
    };
    let (server, env) = (Server::start(answer), TestEnv::new());
    let context = context(&env);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(ranges(&server), [None, Some(format!("bytes={}-", FILE.len() - 30)), None]);
}

#[test]
fn waits_for_rate_limit() {
    let limited = |name: &str, value: &str| {
        let none = ("X-RateLimit-Remaining", "0".to_owned());
        answer("403 Forbidden", &[none, (name, value.to_owned()), ("Content-Length", "0".to_owned())], b"")
    };
    let answers = [
        limited("Retry-After", "30"),
        limited("Retry-After", "Tue, 14 Nov 2023 22:13:40 GMT"),
        limited("X-RateLimit-Reset", "1700000050"),
    ];
    let (server, env) =
        (Server::start(move |_, before| answers.get(before).cloned().unwrap_or(whole(FILE))), TestEnv::new());
    let waits = Waits::default();
    let context = Context { clock: Box::new(waits.clone()), ..context(&env) };
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(*waits.0.lock().unwrap(), [30, 20, 50]);
}

#[test]
fn a_long_limit_is_not_waited_for() {
    let limited = |_: &Request, _| {
        let headers = [("Retry-After", "3600".to_owned()), ("Content-Length", "0".to_owned())];
        answer("429 Too Many Requests", &headers, b"")
    };
    let (server, env) = (Server::start(limited), TestEnv::new());
    let waits = Waits::default();
    let context = Context { clock: Box::new(waits.clone()), ..context(&env) };
    let message = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(
        message.contains("the next one is allowed in 3600 s") && message.contains("K3S_XTASK_MIRROR="),
        "{message}"
    );
    assert_eq!((waits.0.lock().unwrap().len(), server.requests().len()), (0, 1));
}

#[test]
fn sends_password_only_to_mirror() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let mirror = Server::start(|_, _| status("404 Not Found"));
    let with_password = mirror.url.replace("http://", "http://me:secret@");
    let context = Context { mirror: Some(with_password), ..context(&env) };
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(mirror.requests()[0].headers["authorization"], "Basic bWU6c2VjcmV0");
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}

#[test]
fn redirects_do_not_pass_password() {
    let (server, env) = (Server::start(|_, _| whole(FILE)), TestEnv::new());
    let to = format!("{}/dir/file.tar", server.url);
    let mirror = Server::start(move |_, _| {
        answer("302 Found", &[("Location", to.clone()), ("Content-Length", "0".to_owned())], b"")
    });
    let with_password = mirror.url.replace("http://", "http://me:secret@");
    let context = Context { mirror: Some(with_password), ..context(&env) };
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert!(!server.requests()[0].headers.contains_key("authorization"));
}
