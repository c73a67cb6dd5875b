//! Downloads from servers that break off, lie, lack ranges or are not there: nothing is ever used that has
//! not its sum.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "support/http.rs"]
mod http;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "support/place.rs"]
mod place;

use http::{Request, Server, cut, ranged, status, whole};
use place::Place;
use std::path::{Path, PathBuf};
use xtask::context::{Context, Network};
use xtask::digest::Digest;
use xtask::fetch::{self, Download};

const FILE: &[u8] = b"what was expected, byte for byte, and long enough to be cut in the middle";

/// A context whose cache is empty.
fn context(place: &Place) -> Context {
    Context { cache: place.path("cache"), ..place::context() }
}

fn download(server: &Server) -> Download {
    let url = format!("{}/dir/file.tar", server.url);
    Download { name: "file.tar".to_owned(), url, sha256: Digest::of(FILE) }
}

/// The parts and files that lie in the cache, without the claims beside them.
fn kept(context: &Context) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(context.cache.join("downloads")).into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files.filter(|path| path.extension().is_none_or(|extension| extension != "claim")).collect()
}

fn parts(context: &Context) -> Vec<Vec<u8>> {
    let parts = kept(context).into_iter().filter(|path| path.extension().unwrap() == "part");
    parts.map(|path| std::fs::read(path).unwrap()).collect()
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
fn a_file_is_fetched_once_and_then_taken_from_the_cache() {
    let (server, place) = (Server::start(|_, _| whole(FILE)), Place::new());
    let context = context(&place);
    let path = download(&server).get(&context).unwrap();
    is_the_file(&context, &path);
    assert_eq!(download(&server).get(&context).unwrap(), path);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].target, "/dir/file.tar");
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let answer = |request: &Request, before| match before {
        0 => cut(whole(FILE), 30),
        _ => ranged(request, FILE),
    };
    let (server, place) = (Server::start(answer), Place::new());
    let context = context(&place);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(ranges(&server), [None, Some(format!("bytes={}-", FILE.len() - 30))]);
}

#[test]
fn what_an_earlier_run_has_fetched_is_not_fetched_again() {
    let answer = |request: &Request, before| match before {
        0..=3 => cut(ranged(request, FILE), 10),
        _ => ranged(request, FILE),
    };
    let (server, place) = (Server::start(answer), Place::new());
    let context = context(&place);
    let told = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(told.contains("after 4 attempts"), "{told}");
    assert!(told.contains("what has arrived is kept and resumed next time"), "{told}");
    assert_eq!(parts(&context).len(), 1);
    let have = parts(&context)[0].len();
    assert!(0 < have && have < FILE.len(), "{have}");
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(ranges(&server).last().unwrap().as_deref(), Some(format!("bytes={have}-").as_str()));
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let answer = |_: &Request, before| if before == 0 { cut(whole(FILE), 1) } else { whole(FILE) };
    let (server, place) = (Server::start(answer), Place::new());
    let context = context(&place);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_is_overloaded_is_asked_again() {
    let answer = |_: &Request, before| match before {
        0 => status("503 Service Unavailable"),
        _ => whole(FILE),
    };
    let (server, place) = (Server::start(answer), Place::new());
    let context = context(&place);
    is_the_file(&context, &download(&server).get(&context).unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_file_that_is_not_there_is_asked_for_once() {
    let (server, place) = (Server::start(|_, _| status("404 Not Found")), Place::new());
    let context = context(&place);
    let told = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(told.contains(&download(&server).url) && told.contains("404: there is no such file"), "{told}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_file_with_another_sum_is_refused_with_both_sums_and_removed() {
    let (server, place) = (Server::start(|_, _| whole(b"something else")), Place::new());
    let context = context(&place);
    let told = format!("{:#}", download(&server).get(&context).unwrap_err());
    for said in [Digest::of(FILE).as_str(), Digest::of("something else").as_str(), "The file was removed"] {
        assert!(told.contains(said), "{said:?} is missing: {told}");
    }
    assert_eq!(kept(&context), [""; 0].map(PathBuf::from));
}

#[test]
fn the_beginning_of_another_file_is_not_made_into_this_one() {
    let (server, place) = (Server::start(|request, _| ranged(request, FILE)), Place::new());
    let context = context(&place);
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
fn a_damaged_file_in_the_cache_is_found_and_fetched_again() {
    let (server, place) = (Server::start(|_, _| whole(FILE)), Place::new());
    let context = context(&place);
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
fn the_mirror_is_asked_first_and_the_files_own_host_where_it_fails() {
    let (server, place) = (Server::start(|_, _| whole(FILE)), Place::new());
    let download = download(&server);
    let host = server.url.strip_prefix("http://").unwrap().to_owned();

    let mirror = Server::start(|_, _| whole(FILE));
    let mirrored = Context { mirror: Some(format!("{}/cache", mirror.url)), ..context(&place) };
    is_the_file(&mirrored, &download.get(&mirrored).unwrap());
    assert_eq!(mirror.requests()[0].target, format!("/cache/{host}/dir/file.tar"));
    assert_eq!(server.requests().len(), 0);

    let (empty, place) = (Server::start(|_, _| status("404 Not Found")), Place::new());
    let without = Context { mirror: Some(empty.url.clone()), ..context(&place) };
    is_the_file(&without, &download.get(&without).unwrap());
    assert_eq!((empty.requests().len(), server.requests().len()), (1, 1));
}

#[test]
fn a_mirror_with_another_file_is_refused_and_named() {
    let (server, mirror) = (Server::start(|_, _| whole(FILE)), Server::start(|_, _| whole(b"old")));
    let place = Place::new();
    let context = Context { mirror: Some(mirror.url.clone()), ..context(&place) };
    let told = format!("{:#}", download(&server).get(&context).unwrap_err());
    assert!(told.contains(&mirror.url), "{told}");
    assert_eq!(kept(&context), [""; 0].map(PathBuf::from));
}

#[test]
fn without_a_network_only_the_cache_and_folders_of_this_machine_are_looked_into() {
    let (server, place) = (Server::start(|_, _| whole(FILE)), Place::new());
    let offline = Context { network: Network::Forbidden, ..context(&place) };
    let told = format!("{:#}", download(&server).get(&offline).unwrap_err());
    assert_eq!(
        told,
        format!("file.tar is not in the cache, and --offline forbids fetching {}", download(&server).url)
    );
    let told = format!("{:#}", fetch::first_use(&offline, "file.tar", &download(&server).url).unwrap_err());
    assert!(told.contains("--offline forbids fetching"), "{told}");
    assert_eq!(server.requests().len(), 0);

    let host = server.url.strip_prefix("http://").unwrap();
    let file = place.path("mirror").join(host).join("dir/file.tar");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, FILE).unwrap();
    let mirror = format!("file://{}", place.path("mirror").display());
    let mirrored = Context { mirror: Some(mirror), ..offline };
    is_the_file(&mirrored, &download(&server).get(&mirrored).unwrap());
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_file_of_unknown_sum_is_never_put_together_from_two_runs() {
    let old = FILE.to_ascii_uppercase();
    let answer = move |request: &Request, before| match before {
        0 => cut(ranged(request, &old), 10),
        1 => status("404 Not Found"),
        _ => ranged(request, FILE),
    };
    let (server, place) = (Server::start(answer), Place::new());
    let context = context(&place);
    let url = download(&server).url;
    fetch::first_use(&context, "file.tar", &url).unwrap_err();
    let found = fetch::first_use(&context, "file.tar", &url).unwrap();
    assert_eq!(found.sha256, Digest::of(FILE));
    is_the_file(&context, &found.path(&context));
    assert_eq!(found.get(&context).unwrap(), found.path(&context));
}

#[test]
fn two_at_once_do_not_write_into_each_others_file() {
    let slowly = |_: &Request, _| {
        std::thread::sleep(std::time::Duration::from_millis(300));
        whole(FILE)
    };
    let (server, place) = (Server::start(slowly), Place::new());
    let (one, other) = (context(&place), context(&place));
    let get = |context| download(&server).get(context).unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get(&one));
        let second = scope.spawn(|| get(&other));
        assert_eq!(first.join().unwrap(), second.join().unwrap());
    });
    assert_eq!(server.requests().len(), 1);
}
