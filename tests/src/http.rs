//! HTTP/1.1 over one connection, blocking, as little as the tests need.
//!
//! Written here and not taken from a library so that a test knows exactly what goes over which
//! connection, and sees every byte that arrived before the server was killed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes that ever comes.
const PATIENCE: Duration = Duration::from_secs(40);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in the answer {}: {}", self.status, self.text())
        })
    }

    /// The stable code of a problem; empty when the answer is none.
    #[must_use]
    pub fn problem(&self) -> String {
        let is_problem = self.header("content-type") == Some("application/problem+json");
        let code = if is_problem { self.json()["code"].as_str().map(str::to_owned) } else { None };
        code.unwrap_or_default()
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    token: String,
}

/// How the length of an answer's body is told.
enum Length {
    Known(u64),
    Chunked,
    UntilEnd,
}

/// An answer whose body is still arriving.
pub struct Streaming<'a> {
    /// The status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    body: Body<'a>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// As [`TcpStream::connect_timeout`].
    pub fn open(address: SocketAddr, token: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned() })
    }

    /// One request and its whole answer.
    ///
    /// # Errors
    /// Whatever ends the connection before the answer was whole.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let Streaming { status, headers, body: mut rest } =
            self.begin(method, path, headers, body)?;
        let mut body = Vec::new();
        rest.read_to_end(&mut body)?;
        Ok(Answer { status, headers, body })
    }

    /// One request; the answer's body is left to be read.
    ///
    /// # Errors
    /// Whatever ends the connection before the answer began.
    pub fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Streaming<'_>> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        if !self.token.is_empty() {
            head += &format!("authorization: Bearer {}\r\n", self.token);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method != "GET" {
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        self.stream.get_mut().write_all(&message)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Streaming<'_>> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| strange(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| strange(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = match header(&headers, "content-length") {
            Some(length) => Length::Known(length.parse().map_err(|_| strange(length))?),
            None if header(&headers, "transfer-encoding") == Some("chunked") => Length::Chunked,
            None => Length::UntilEnd,
        };
        let body = Body { stream: &mut self.stream, length, chunk_left: 0, is_over: false };
        Ok(Streaming { status, headers, body })
    }

    fn line(&mut self) -> io::Result<String> {
        read_line(&mut self.stream)
    }
}

impl Streaming<'_> {
    /// Calls `each` for every whole line as it arrives.
    ///
    /// # Errors
    /// Whatever ends the connection before the body was whole. `each` has seen what came before it.
    pub fn lines(self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut body = BufReader::new(self.body);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A part of a line comes back without its line feed when the body breaks off.
            if body.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.pop() != Some(b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            each(&line);
        }
    }
}

struct Body<'a> {
    stream: &'a mut BufReader<TcpStream>,
    length: Length,
    chunk_left: u64,
    is_over: bool,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over || buffer.is_empty() {
            return Ok(0);
        }
        match self.length {
            Length::UntilEnd => self.stream.read(buffer),
            Length::Known(0) => Ok(0),
            Length::Known(ref mut left) => some_of(self.stream, buffer, left),
            Length::Chunked => {
                if self.chunk_left == 0 && !self.next_chunk()? {
                    return Ok(0);
                }
                let count = some_of(self.stream, buffer, &mut self.chunk_left)?;
                if self.chunk_left == 0 {
                    read_line(self.stream)?;
                }
                Ok(count)
            }
        }
    }
}

impl Body<'_> {
    fn next_chunk(&mut self) -> io::Result<bool> {
        let line = read_line(self.stream)?;
        let size = line.split(';').next().unwrap_or_default();
        self.chunk_left = u64::from_str_radix(size, 16).map_err(|_| strange(&line))?;
        if self.chunk_left == 0 {
            read_line(self.stream)?;
            self.is_over = true;
        }
        Ok(self.chunk_left > 0)
    }
}

fn some_of(stream: &mut impl Read, buffer: &mut [u8], left: &mut u64) -> io::Result<usize> {
    let most = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    let count = stream.read(&mut buffer[..most])?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    *left -= count as u64;
    Ok(count)
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn strange(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {text:?}"))
}
