//! A small HTTP server on the loopback, whose answers a test defines.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Request of a client.
#[derive(Clone, Debug, Default)]
pub struct Request {
    #[allow(dead_code, reason = "not every test program looks at it")]
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// A server that lives as long as the test binary.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server that answers each request with these bytes, head included, and closes the connection. The
    /// number counts the earlier requests.
    pub fn start(answer: impl Fn(&Request, usize) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || serve(client, &seen, &*answer));
            }
        });
        Server { url, requests }
    }

    /// Returns all requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, seen: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request, usize) -> Vec<u8>) {
    // A client that disconnects in the middle is no error of the server.
    let Ok(request) = read(&client) else { return };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let _ = client.write_all(&answer(&request, before));
}

fn read(client: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if request.headers.get("transfer-encoding").is_some_and(|how| how == "chunked") {
        read_chunks(&mut reader, &mut request.body)?;
    } else if let Some(length) = request.headers.get("content-length").and_then(|text| text.parse().ok()) {
        reader.take(length).read_to_end(&mut request.body)?;
    }
    Ok(request)
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
        reader.by_ref().take(size).read_to_end(body)?;
        reader.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// Returns an answer with this status line, headers and body.
pub fn answer(status: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let mut bytes = format!("{text}\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

/// Returns a `200` with the complete file.
pub fn whole(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &[("Content-Length", body.len().to_string())], body)
}

#[allow(dead_code, reason = "not every test program resumes downloads")]
/// Returns the range of a file that a request asks for, or all of it (RFC 9110, 14.2).
pub fn ranged(request: &Request, body: &[u8]) -> Vec<u8> {
    let range =
        request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    match range.and_then(|begin| begin.parse::<usize>().ok()) {
        None => whole(body),
        Some(begin) if begin < body.len() => {
            let rest = &body[begin..];
            let range = format!("bytes {begin}-{}/{}", body.len() - 1, body.len());
            let headers = [("Content-Length", rest.len().to_string()), ("Content-Range", range)];
            answer("206 Partial Content", &headers, rest)
        }
        Some(_) => answer("416 Range Not Satisfiable", &[("Content-Length", "0".to_owned())], b""),
    }
}

/// Returns the first bytes of an answer, after which the connection is lost.
#[allow(dead_code, reason = "not every test program cuts answers short")]
pub fn cut(mut answer: Vec<u8>, missing: usize) -> Vec<u8> {
    answer.truncate(answer.len() - missing);
    answer
}

/// Returns an answer with a status such as `404` or `503` and an empty body.
pub fn status(line: &str) -> Vec<u8> {
    answer(line, &[("Content-Length", "0".to_owned())], b"")
}
