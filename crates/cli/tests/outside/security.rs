//! Who is let in, what is private, and where a guest can't go.

use crate::support::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const TOKEN: &str = "6c1f0a52e8d94b7736c5a1f20e9b8d4c57a3f6e10b2d49c8857e6a1fd3029b4c";
const OTHER: &str = "0b8e6f3a2d1c4957a6e8f0d2b4c6a8091e3f5d7b9c2a4e6f8071d3b5a7c9e0f2";
const PUT: &str = r#"{"type":"put","key":"a","value":1}"#;

fn file(folder: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let token = file(path, "token", &format!("{TOKEN}\n"), 0o600);
    let other = file(path, "other", OTHER, 0o600);
    let manifest = file(
        path,
        "actor.toml",
        "[listen]\ntoken_file = \"token\"\n",
        0o644,
    );
    let data = path.join("data");
    let variable = [("KV_ACTOR_TOKEN", TOKEN)];
    // The flag comes before the environment, and that before the manifest.
    for (arguments, variables) in [
        (
            vec!["--token-file", &token],
            vec![("KV_ACTOR_TOKEN", OTHER)],
        ),
        (vec![], variable.to_vec()),
        (vec!["--manifest", &manifest], vec![]),
    ] {
        let server = Server::start_in(&data, &arguments, &variables);
        let url = server.url();
        let ask = |arguments: &[&str], variables: &[(&str, &str)]| {
            run_in(
                &[&["put", "--url", &url, "a", "1"], arguments].concat(),
                variables,
            )
        };
        for (arguments, variables) in [
            (
                vec!["--token-file", &token],
                vec![("KV_ACTOR_TOKEN", OTHER)],
            ),
            (vec![], variable.to_vec()),
            (vec!["--manifest", &manifest], vec![]),
        ] {
            let output = ask(&arguments, &variables);
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        for output in [
            ask(&[], &[]),
            ask(&["--token-file", &other], &variable),
            ask(&["--manifest", &manifest], &[("KV_ACTOR_TOKEN", OTHER)]),
        ] {
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(19), "{message}");
            assert!(message.contains("token"), "{message}");
            assert!(
                !message.contains(TOKEN) && !message.contains(OTHER),
                "{message}"
            );
        }
        let mut client = server.lines();
        let wrong = client.say(&format!(r#"{{"type":"authenticate","token":"{OTHER}"}}"#));
        assert!(
            wrong.contains("\"unauthenticated\"") && !wrong.contains(OTHER),
            "{wrong}"
        );
        let mut client = server.lines();
        let line = format!(r#"{{"type":"authenticate","token":"{TOKEN}"}}"#);
        assert_eq!(client.say(&line), r#"{"status":"ok"}"#);
        assert!(client.say(PUT).contains("\"ok\""));
        let (_, log) = server.end("-TERM");
        assert_eq!(log, "", "nothing of it is logged");
    }
}

#[test]
fn a_token_that_is_weak_or_known_to_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = path.join("data");
    let weak = file(path, "weak", "correct-horse-battery-staple", 0o600);
    let shared = file(path, "shared", TOKEN, 0o644);
    let missing = path.join("missing").to_str().unwrap().to_owned();
    let serve = |arguments: &[&str], variables: &[(&str, &str)]| {
        let fixed = [
            "serve",
            "--lines",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--data",
        ];
        let arguments = [&fixed[..], &[data.to_str().unwrap()], arguments].concat();
        run_in(&arguments, variables)
    };
    for (output, said) in [
        (serve(&["--token-file", &weak], &[]), "openssl rand -hex 32"),
        (
            serve(&[], &[("KV_ACTOR_TOKEN", "correct-horse")]),
            "KV_ACTOR_TOKEN: the token must hold",
        ),
        (
            serve(&[], &[("KV_ACTOR_TOKEN", "")]),
            "KV_ACTOR_TOKEN: the token must hold",
        ),
        (serve(&["--token-file", &shared], &[]), "mode 644"),
        (
            serve(&["--token-file", &missing], &[]),
            "missing can't be used",
        ),
    ] {
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(said), "{message}");
        assert!(
            !message.contains("horse") && !message.contains(TOKEN),
            "{message}"
        );
        assert!(!data.exists());
    }
    // No flag takes it, where everybody could see it.
    assert_eq!(serve(&["--token", TOKEN], &[]).status.code(), Some(2));
}

#[test]
fn other_machines_are_served_with_a_token_or_by_a_flag_that_says_insecure() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let everywhere = ["--lines", "0.0.0.0:0", "--data", data.to_str().unwrap()];
    let arguments = [&["serve", "--http", "127.0.0.1:0"], &everywhere[..]].concat();
    let message = fails(&arguments, 1);
    assert!(
        message.contains("--insecure") && message.contains("openssl rand"),
        "{message}"
    );
    assert!(!data.exists());
    // A second address for one flag is wrong usage: this one is the manifest's.
    let settings = "[listen]\nlines = \"0.0.0.0:0\"\nhttp = \"127.0.0.1:0\"\n";
    let manifest = file(folder.path(), "actor.toml", settings, 0o644);
    for (flag, variables, said) in [
        (vec!["--insecure"], vec![], "insecure"),
        (vec![], vec![("KV_ACTOR_TOKEN", TOKEN)], "plain text"),
    ] {
        let mut process = std::process::Command::new(BINARY)
            .args(["serve", "--manifest", &manifest])
            .args(flag)
            .envs(variables)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let log = std::io::BufReader::new(process.stderr.take().unwrap());
        let lines = std::io::BufRead::lines(log).map(Result::unwrap);
        let log: Vec<_> = lines.take_while(|line| !line.starts_with('{')).collect();
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(
            log.len() == 1 && log[0].contains("WARN") && log[0].contains(said),
            "{log:?}"
        );
    }
}

#[test]
fn https_is_spoken_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = file(folder.path(), "tls.pem", &made.cert.pem(), 0o644);
    file(
        folder.path(),
        "tls.key",
        &made.signing_key.serialize_pem(),
        0o600,
    );
    let settings = "[listen]\ncertificate_file = \"tls.pem\"\nkey_file = \"tls.key\"\n";
    let manifest = file(folder.path(), "actor.toml", settings, 0o644);
    let data = folder.path().join("data");
    let variables = [("KV_ACTOR_TOKEN", TOKEN)];
    let server = Server::start_in(&data, &["--manifest", &manifest], &variables);
    let port = server.ready["http"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap();
    let url = format!("https://localhost:{port}");
    let put = ["put", "--url", &url, "a", "[1.50]"];
    let trusted = [("SSL_CERT_FILE", &certificate[..]), variables[0]];
    let output = run_in(&put, &trusted);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = run_in(&["get", "--url", &url, "a"], &trusted);
    assert_eq!(text(&output.stdout), "[1.50]\n", "{}", text(&output.stderr));
    // Who is not trusted gets no token.
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = file(folder.path(), "stranger.pem", &stranger.cert.pem(), 0o644);
    let output = run_in(&put, &[("SSL_CERT_FILE", &stranger), variables[0]]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(17), "{message}");
    assert!(
        message.contains("ertificate") && !message.contains(TOKEN),
        "{message}"
    );
    let plain = url.replace("https", "http");
    assert!(
        !run_in(&["get", "--url", &plain, "a"], &variables)
            .status
            .success()
    );
}

#[test]
fn files_are_their_owners_alone_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    for way in ["serve", "directory"] {
        let data = folder.path().join(way);
        let quoted = data.to_str().unwrap();
        // A shell, since a umask is the whole process's.
        let put = format!("umask 000; exec '{BINARY}' put --data '{quoted}' a 1");
        let serve = format!(
            "umask 000; exec '{BINARY}' serve --lines 127.0.0.1:0 --http 127.0.0.1:0 --data '{quoted}'"
        );
        let mut shell = std::process::Command::new("sh");
        if way == "directory" {
            assert!(shell.args(["-c", &put]).status().unwrap().success());
        } else {
            shell
                .args(["-c", &serve])
                .stderr(std::process::Stdio::piped());
            let mut process = shell.spawn().unwrap();
            let log = std::io::BufReader::new(process.stderr.take().unwrap());
            let ready = std::io::BufRead::lines(log).map(Result::unwrap);
            let ready: serde_json::Value = { ready }
                .find_map(|line| serde_json::from_str(&line).ok())
                .unwrap();
            let address = ready["lines"].as_str().unwrap();
            let mut client = Lines::over(std::net::TcpStream::connect(address).unwrap());
            assert!(client.say(PUT).contains("\"ok\""));
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data), 0o700, "{way}");
        let files: Vec<PathBuf> = fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!files.is_empty());
        for file in files {
            assert_eq!(mode(&file), 0o600, "{way}: {}", file.display());
        }
    }
}

#[test]
fn a_guest_can_t_leave_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    let (data, outside) = (folder.path().join("data"), folder.path().join("outside"));
    fs::create_dir(&data).unwrap();
    fs::write(&outside, "mine").unwrap();
    symlink("../outside", data.join("link")).unwrap();
    symlink(&outside, data.join("absolute-link")).unwrap();
    symlink("..", data.join("directory-link")).unwrap();
    let component = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/component/guest-escape.wasm"
    );
    let settings = format!("component_path = \"{component}\"\n");
    let manifest = file(folder.path(), "actor.toml", &settings, 0o644);
    let server = Server::start_with(&data, &["--manifest", &manifest]);
    let reply: serde_json::Value = serde_json::from_str(&server.lines().say("{}")).unwrap();
    let attempts = reply["attempts"].as_object().unwrap();
    assert_eq!(attempts.len(), 13, "{reply}");
    assert!(
        attempts.values().all(|outcome| outcome == "not-permitted"),
        "{reply}"
    );
    assert_eq!(fs::read_to_string(&outside).unwrap(), "mine");
}

#[test]
fn a_segment_that_is_a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
    ok(&["put", "--data", elsewhere.to_str().unwrap(), "a", "1"]);
    fs::create_dir(&data).unwrap();
    symlink("../elsewhere/00000001.jsonl", data.join("00000001.jsonl")).unwrap();
    let before = fs::read(elsewhere.join("00000001.jsonl")).unwrap();
    let arguments = [
        "serve",
        "--lines",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--data",
    ];
    let output = run(&[&arguments[..], &[data.to_str().unwrap()]].concat());
    let message = text(&output.stderr);
    assert!(
        !output.status.success() && message.contains("00000001.jsonl"),
        "{message}"
    );
    assert_eq!(fs::read(elsewhere.join("00000001.jsonl")).unwrap(), before);
}

/// Keys that collide cost no more than others, because nothing that a client
/// sends is ever hashed into a table: the sources have no hash map. Only `verify`
/// has one, under secrets that it draws each time.
#[test]
fn nothing_that_clients_send_is_hashed_into_a_table() {
    const SECRET: &str = "engine/src/log/present.rs";
    let command = include_str!("../../src/repair.rs");
    assert!(command.contains("[RandomState::new(), RandomState::new()]"));
    let mut looked_at = 0;
    for name in ["protocol", "engine", "actor", "server", "runtime"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(name)
            .join("src");
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs")
                    && !path.ends_with(SECRET)
                {
                    looked_at += 1;
                    let source = fs::read_to_string(&path).unwrap();
                    for table in ["HashMap", "HashSet", "HashTable", "hashbrown", "IndexMap"] {
                        assert!(!source.contains(table), "{table} in {}", path.display());
                    }
                }
            }
        }
    }
    assert!(looked_at > 60, "{looked_at}");
}
