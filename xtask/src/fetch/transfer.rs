//! One file from one URL over HTTP: resumed where its checksum is known, retried, and never larger than expected
//! of anything that is fetched.

use super::answer::{Answer, Verdict};
use crate::clock::Clock;
use crate::context::Context;
use crate::progress::Running;
use crate::url::without_credentials;
use anyhow::{Result, anyhow};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// Pauses before the second, third and fourth attempt.
const BACK_OFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];

/// The longest that a server which limits requests is waited for, at each attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The largest file that is fetched, in bytes. k3s-root, the largest there is, has about 20 MiB.
const LARGEST: u64 = 512 << 20;

/// The time that a server may be silent, before its answer and in the middle of it.
const SILENCE: Duration = Duration::from_secs(60);

/// The time that one attempt may take, however slowly the server sends.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3600);

/// Says what may be done with the beginning of a file that an earlier attempt has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The checksum is known and decides in the end.
    Allowed,
    /// Nothing but this transfer vouches for the file: it is of one piece, and its end is marked.
    Forbidden,
}

/// Fetches a URL into `part`.
pub fn fetch(context: &Context, name: &str, url: &str, part: &Path, resume: Resume) -> Result<()> {
    let running = context.progress.step(format!("fetch {name}"));
    match attempts(context, name, url, part, resume, &running) {
        Ok(size) => {
            running.done(indicatif::HumanBytes(size));
            Ok(())
        }
        Err(error) => {
            // The error says all, where nothing else provides the file.
            running.withdrawn();
            Err(error)
        }
    }
}

fn attempts(
    context: &Context,
    name: &str,
    url: &str,
    part: &Path,
    resume: Resume,
    running: &Running,
) -> Result<u64> {
    let shown = without_credentials(url);
    let agent = agent(url);
    let mut pauses = BACK_OFF.iter();
    loop {
        let error = match attempt(&agent, url, part, resume, running, &*context.clock) {
            Ok(size) => return Ok(size),
            Err(Failure::Final(error)) => return Err(error.context(format!("cannot fetch {shown}"))),
            Err(Failure::Limited(wait)) if wait > LONGEST_WAIT => {
                return Err(limited(wait).context(format!("cannot fetch {shown}")));
            }
            Err(failure) => failure,
        };
        let Some(usual) = pauses.next() else {
            let kept = match resume {
                Resume::Allowed => "\n  what has arrived is kept and resumed next time",
                Resume::Forbidden => "",
            };
            let attempts = BACK_OFF.len() + 1;
            return Err(error
                .into_error()
                .context(format!("cannot fetch {shown} after {attempts} attempts{kept}")));
        };
        let pause = match &error {
            Failure::Limited(wait) => (*wait).max(*usual),
            _ => *usual,
        };
        let error = error.into_error();
        context.progress.print(format!("{name}: {error:#}; trying again in {} s", pause.as_secs()));
        context.clock.wait(pause);
    }
}

fn limited(wait: Duration) -> anyhow::Error {
    anyhow!(
        "the server limits how often it is asked, and wants {} s to pass\n  \
         Run this again then, or name a mirror: K3S_XTASK_MIRROR=https://mirror/…",
        wait.as_secs()
    )
}

/// Why an attempt did not succeed.
enum Failure {
    /// Another attempt may succeed: the connection broke, the server is overloaded.
    Passing(anyhow::Error),
    /// The server limits how often it is asked.
    Limited(Duration),
    /// Another attempt cannot succeed: the file is not there, the certificate is not trusted.
    Final(anyhow::Error),
}

impl Failure {
    fn of_request(error: ureq::Error) -> Failure {
        match error {
            ureq::Error::BadUri(_)
            | ureq::Error::InvalidProxyUrl
            | ureq::Error::Tls(_)
            | ureq::Error::RedirectFailed
            | ureq::Error::TooManyRedirects => Failure::Final(error.into()),
            ureq::Error::RequireHttpsOnly(to) => Failure::Final(anyhow!(
                "it is redirected from HTTPS to {}, where anybody on the way could replace it",
                without_credentials(&to)
            )),
            // rustls reports a certificate that is not trusted as data that is not valid.
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Failure::Final(io.into()),
            _ => Failure::Passing(error.into()),
        }
    }

    fn into_error(self) -> anyhow::Error {
        match self {
            Failure::Passing(error) | Failure::Final(error) => error,
            Failure::Limited(wait) => limited(wait),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        // A full disk or a forbidden directory does not mend itself; a broken connection may.
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::PermissionDenied => {
                Failure::Final(error.into())
            }
            _ => Failure::Passing(error.into()),
        }
    }
}

/// A client over rustls that trusts what the system trusts and takes the proxies of the environment. It follows
/// redirects to other hosts, as releases need them, but never from HTTPS to HTTP.
fn agent(url: &str) -> ureq::Agent {
    use ureq::tls::{RootCerts, TlsConfig};
    ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .https_only(url.starts_with("https://"))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .timeout_global(Some(LONGEST_ATTEMPT))
        .http_status_as_error(false)
        .build()
        .into()
}

/// One request: all of the file, or the rest of it where a part is there. Returns the size of the whole.
fn attempt(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    resume: Resume,
    running: &Running,
    clock: &dyn Clock,
) -> Result<u64, Failure> {
    let mut file = super::open_part(part)?;
    if resume == Resume::Forbidden {
        file.set_len(0)?;
    }
    let have = file.seek(SeekFrom::End(0))?;
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(Failure::of_request)?;
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let answer = Answer {
        status: response.status().as_u16(),
        content_range: header("content-range"),
        content_encoding: header("content-encoding"),
        retry_after: header("retry-after"),
        remaining: header("x-ratelimit-remaining"),
        reset: header("x-ratelimit-reset"),
    };
    let ended = header("content-length").is_some() || header("transfer-encoding").is_some();
    match answer.verdict(have, clock.now()) {
        Verdict::Whole => file.set_len(0)?,
        Verdict::Rest => {}
        Verdict::StartOver(why) => {
            file.set_len(0)?;
            return Err(Failure::Passing(anyhow!("{why}; starting over")));
        }
        Verdict::Retry => {
            return Err(Failure::Passing(anyhow!("the server answered {}", response.status().as_u16())));
        }
        Verdict::Limited(wait) => return Err(Failure::Limited(wait)),
        Verdict::Refused(why) => return Err(Failure::Final(anyhow!(why))),
    }
    if resume == Resume::Forbidden && !ended {
        return Err(Failure::Final(anyhow!(
            "the server does not say where the file ends, so that nobody could see whether all of it arrived"
        )));
    }
    let begin = file.seek(SeekFrom::End(0))?;
    let expected = response.body().content_length().map(|rest| begin.saturating_add(rest));
    if let Some(expected) = expected {
        if expected > LARGEST {
            return Err(too_large(LARGEST));
        }
        running.expect_bytes(expected);
    }
    let mut body = response.body_mut().as_reader();
    let size = copy(&mut body, &mut file, begin, LARGEST, |size| running.received(size));
    if let Err(Failure::Final(_)) = size {
        file.set_len(0)?;
    }
    match (size?, expected) {
        (size, Some(expected)) if size < expected => {
            Err(Failure::Passing(anyhow!("the connection ended after {size} of {expected} bytes")))
        }
        (size, _) => Ok(size),
    }
}

fn too_large(largest: u64) -> Failure {
    let largest = indicatif::HumanBytes(largest);
    Failure::Final(anyhow!("the server sends more than {largest}, which nothing has that is fetched here"))
}

/// Copies a body behind the `size` bytes that are there, and returns the size of the whole.
fn copy(
    body: &mut impl Read,
    file: &mut impl Write,
    mut size: u64,
    largest: u64,
    received: impl Fn(u64),
) -> Result<u64, Failure> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = body.read(&mut buffer)?;
        if count == 0 {
            return Ok(size);
        }
        size += count as u64;
        if size > largest {
            return Err(too_large(largest));
        }
        file.write_all(&buffer[..count])?;
        received(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_end_is_cut_off() {
        let mut kept = Vec::new();
        let failure = copy(&mut std::io::repeat(1), &mut kept, 0, 100_000, |_| {}).err().unwrap();
        assert!(matches!(failure, Failure::Final(_)));
        assert!(kept.len() <= 100_000);
        let fits = copy(&mut std::io::repeat(1).take(100), &mut Vec::new(), 50, 150, |_| {});
        assert_eq!(fits.ok(), Some(150));
        assert!(copy(&mut std::io::repeat(1).take(100), &mut Vec::new(), 51, 150, |_| {}).is_err());
    }

    #[test]
    fn redirects_never_leave_https() {
        assert!(agent("https://h.example/x").config().https_only());
        assert!(!agent("http://h.example/x").config().https_only());
    }
}
