"""`tallystick exec`: its certificate, the environment of the command, exit codes and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from tallystick.cli.interception import authority

from .executing import TALLYSTICK, environment, execute, javascript, python
from .gateway import free_port
from .requirements import ROOT

# ── the certificate ───────────────────────────────────────────────────────────────────────────


def test_a_client_that_does_not_trust_the_authority_refuses(one):
    done = python(one.url, f"""
        import os, socket, ssl
        def shake(context):
            with socket.create_connection(("api-sandbox.dwolla.com", 443), 20) as sock:
                with context.wrap_socket(sock, server_hostname="api-sandbox.dwolla.com") as tls:
                    return tls.version()
        print(shake(ssl.create_default_context()))
        for stranger in ssl.create_default_context(cafile={certifi.where()!r}), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT):
            try:
                print(shake(stranger))
            except ssl.SSLCertVerificationError as error:
                print(error.verify_message)
    """)  # fmt: skip
    trusted, *strangers = done.stdout.splitlines()
    assert trusted == "TLSv1.3", done.stderr
    assert len(strangers) == 2
    assert all("unable to get local issuer certificate" in each for each in strangers)


@pytest.mark.node
def test_node_without_our_authority_refuses(one):
    code = """
        delete process.env.NODE_EXTRA_CA_CERTS;
        const run = require("child_process").spawnSync;
        const code = "fetch('https://api-sandbox.dwolla.com/').catch((error) => console.log(error.cause.code))";
        process.stdout.write(run(process.execPath, ["-e", code]).stdout);
    """
    assert javascript(one.url, code).stdout.strip() in {
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "SELF_SIGNED_CERT_IN_CHAIN",
    }


def test_the_authority_vouches_for_our_hosts_alone_and_for_a_day():
    issued = authority.issue(["api-sandbox.dwolla.com", "cdn.plaid.com"])
    root, leaf = (
        x509.load_pem_x509_certificate(each) for each in (issued.authority, issued.certificate)
    )
    constraint = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraint.critical
    assert [name.value for name in constraint.value.permitted_subtrees or ()] == [
        "api-sandbox.dwolla.com",
        "cdn.plaid.com",
    ]
    for each in (root, leaf):
        assert each.not_valid_after_utc - each.not_valid_before_utc == timedelta(days=1)
        assert each.not_valid_before_utc < datetime.now(UTC) < each.not_valid_after_utc
    leaf.verify_directly_issued_by(root)
    assert repr(issued) == "Issued()"
    assert issued.key not in issued.authority + issued.certificate


def test_no_key_is_written_and_nothing_stays(one):
    done = python(one.url, """
        import os, pathlib, stat
        folder = pathlib.Path(os.environ["SSL_CERT_FILE"]).parent
        print(folder, oct(stat.S_IMODE(folder.stat().st_mode)))
        print(any(b"PRIVATE" in file.read_bytes() for file in folder.rglob("*") if file.is_file()))
    """)  # fmt: skip
    folder, mode, written = done.stdout.split()
    assert (mode, written) == ("0o700", "False")
    assert not Path(folder).exists()


# ── the environment of the command ────────────────────────────────────────────────────────────


def test_what_was_set_before_still_holds(one, tmp_path):
    """A trusted authority, a preload of one's own, a `sitecustomize`, a path."""
    bundle = tmp_path / "own.pem"
    bundle.write_bytes(authority.issue(["example.com"]).authority)
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys; sys.own = 'kept'")
    done = python(
        one.url,
        """
        import os, ssl, sys
        context = ssl.create_default_context()
        names = {str(each["subject"]) for each in context.get_ca_certs()}
        print(sys.own, len(context.get_ca_certs()), os.environ["NODE_OPTIONS"].endswith(" --no-deprecation"))
        print(os.environ["TALLYSTICK_URL"], os.environ["NO_PROXY"], os.environ["ODD"])
        """,
        SSL_CERT_FILE=str(bundle),
        NODE_OPTIONS="--no-deprecation",
        PYTHONPATH=f"{own}{os.pathsep}{ROOT / 'src'}",
        ODD="ünï",
    )
    assert done.stdout.split() == [
        "kept", "2", "True", one.url, "localhost,127.0.0.1,::1", "ünï",
    ], done.stderr  # fmt: skip


def test_the_gateway_itself_and_this_machine_are_reached_directly(one):
    done = python(one.url, """
        import os, requests, socket
        print(requests.get(os.environ["TALLYSTICK_URL"] + "/_tallystick/health/ready").json()["status"])
        a, b = socket.socketpair(); a.send(b"x"); print(b.recv(1)); socket.gethostbyname("localhost")
        try:
            socket.gethostbyname(socket.gethostname())
        except socket.gaierror:
            pass
    """)  # fmt: skip
    assert done.stdout.split() == ["ready", "b'x'"], done.stderr
    assert done.returncode == 0, done.stderr


# ── exit codes and signals ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("sh", "-c", "exit 7"), 7, ""),
        (("sh", "-c", "kill -KILL $$"), 128 + signal.SIGKILL, ""),
        (("no-such-command",), 127, "no-such-command: there is no such command"),
        (("/",), 126, "/: Permission denied"),
    ],
)
def test_exit_codes(url_of_any, command, code, said):
    done = execute(url_of_any, *command)
    assert done.returncode == code
    assert said in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--allow", "api.dwolla.com"), "never reaches the real one"),
        (("--allow", "https://example.com/"), "takes the name of a host"),
        (("--url", "http://api.dwolla.com"), "is not a gateway of yours"),
        (("--url", "ftp://127.0.0.1"), "looks like http://127.0.0.1:7420"),
        (("--url", "http://127.0.0.1:x"), "looks like http://127.0.0.1:7420"),
        (("--serve", "--url", "http://127.0.0.1:7420"), "leave --url out"),
    ],
)
def test_wrong_options(url_of_any, options, said):
    url = "" if "--url" in options else url_of_any
    done = execute(url, "true", options=options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_command_and_no_gateway():
    assert execute("http://127.0.0.1:7420").returncode == 2
    url = f"http://127.0.0.1:{free_port()}"
    done = execute(url, "true")
    assert done.returncode == 3
    assert f"no gateway answers at {url}" in done.stderr
    assert "tallystick serve" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(url_of_any, sent):
    code = f"""
import signal, sys, time
signal.signal({sent:d}, lambda *_: sys.exit(40))
print("ready", flush=True)
while True:  # a signal that just misses the beginning of a sleep is only heard at its end
    time.sleep(0.1)
"""
    process = subprocess.Popen(
        [*TALLYSTICK, "exec", "--url", url_of_any, "--", sys.executable, "-c", code],
        stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(sent)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 40
