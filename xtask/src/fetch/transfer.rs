//! One file from one URL over HTTP: resumed if its checksum is known, retried, and limited in size.

use super::response::{Body, Failure, Head};
use crate::context::Context;
use crate::progress::Running;
use crate::url::without_credentials;
use anyhow::{Result, anyhow};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// Pauses before the second, third and fourth attempt.
const BACKOFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];

/// The longest wait, at each attempt, for a server that limits requests.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The largest file that is fetched, in bytes. k3s-root, the largest there is, has about 20 MiB.
const LARGEST: u64 = 512 << 20;

/// Timeout for the server's response, and for each read of its body.
const SILENCE: Duration = Duration::from_secs(60);

/// Timeout for one attempt, however slowly the server sends.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3600);

/// Permission to continue a file whose beginning was left by an earlier attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The checksum is known and decides in the end.
    Allowed,
    /// The checksum is unknown: the file has to arrive in one transfer whose end is marked.
    Forbidden,
}

/// Fetches a URL into `part`, with retries.
pub fn fetch(context: &Context, name: &str, url: &str, part: &Path, resume: Resume) -> Result<()> {
    let running = context.progress.step(format!("fetch {name}"));
    let (shown, agent) = (without_credentials(url), agent(url));
    let mut pauses = BACKOFF.iter();
    let (failure, attempts) = loop {
        let failure = match attempt(context, &agent, url, part, resume, &running) {
            Ok(size) => {
                running.done(indicatif::HumanBytes(size));
                return Ok(());
            }
            Err(failure) => failure,
        };
        let pause = match (&failure, pauses.next()) {
            (Failure::Final(_), _) => break (failure, String::new()),
            (Failure::Limited(wait), _) if *wait > LONGEST_WAIT => break (failure, String::new()),
            (_, None) => {
                let kept = match resume {
                    Resume::Allowed => "\n  what has arrived is kept and resumed next time",
                    Resume::Forbidden => "",
                };
                break (failure, format!(" after {} attempts{kept}", BACKOFF.len() + 1));
            }
            (Failure::Limited(wait), Some(usual)) => *wait.max(usual),
            (_, Some(usual)) => *usual,
        };
        let error = failure.into_error();
        context.progress.print(format!("{name}: {error:#}; retrying in {} s", pause.as_secs()));
        context.clock.wait(pause);
    };
    // The caller reports the error, or fetches the file from another URL.
    running.withdrawn();
    Err(failure.into_error().context(format!("cannot fetch {shown}{attempts}")))
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Failure {
        match error {
            ureq::Error::BadUri(_)
            | ureq::Error::InvalidProxyUrl
            | ureq::Error::Tls(_)
            | ureq::Error::RedirectFailed
            | ureq::Error::TooManyRedirects => Failure::Final(error.into()),
            ureq::Error::RequireHttpsOnly(to) => Failure::Final(anyhow!(
                "it is redirected from HTTPS to {}, where it could be replaced on the way",
                without_credentials(&to)
            )),
            // rustls reports a certificate that is not trusted as data that is not valid.
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Failure::Final(io.into()),
            _ => Failure::Passing(error.into()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        // A retry may help after a broken connection, but not with a full disk or without permission.
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::PermissionDenied => {
                Failure::Final(error.into())
            }
            _ => Failure::Passing(error.into()),
        }
    }
}

/// Returns a client over rustls that uses the system's trust store and the proxies of the environment. It follows
/// redirects to other hosts, which releases need, but never from HTTPS to HTTP.
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

/// Makes one request for the whole file, or for its rest if a part is there. Returns the size of the whole.
fn attempt(
    context: &Context,
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    resume: Resume,
    running: &Running,
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
    let mut response = request.call()?;
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let head = Head {
        status: response.status().as_u16(),
        content_range: header("content-range"),
        content_encoding: header("content-encoding"),
        retry_after: header("retry-after"),
        remaining: header("x-ratelimit-remaining"),
        reset: header("x-ratelimit-reset"),
    };
    let has_end = header("content-length").is_some() || header("transfer-encoding").is_some();
    let body = head.body(have, context.clock.now());
    if matches!(body, Ok(Body::Whole) | Err(Failure::StartOver(_))) {
        file.set_len(0)?;
    }
    body?;
    if resume == Resume::Forbidden && !has_end {
        return Err(Failure::Final(anyhow!(
            "the server does not say where the file ends, so that a missing rest would not be noticed"
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
    Failure::Final(anyhow!("the server sends more than {largest}, the size limit of downloads"))
}

/// Appends a body to the `size` bytes that are there, and returns the size of the whole.
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
    fn cuts_off_endless_body() {
        let mut kept = Vec::new();
        let failure = copy(&mut std::io::repeat(1), &mut kept, 0, 100_000, |_| {}).err().unwrap();
        assert!(matches!(failure, Failure::Final(_)));
        assert!(kept.len() <= 100_000);
        let fits = copy(&mut std::io::repeat(1).take(100), &mut Vec::new(), 50, 150, |_| {});
        assert_eq!(fits.ok(), Some(150));
        assert!(copy(&mut std::io::repeat(1).take(100), &mut Vec::new(), 51, 150, |_| {}).is_err());
    }

    #[test]
    fn redirects_stay_on_https() {
        assert!(agent("https://h.example/x").config().https_only());
        assert!(!agent("http://h.example/x").config().https_only());
    }
}
