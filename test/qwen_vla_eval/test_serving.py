"""What `qwen-vla serve` makes of its arguments before it loads weights."""

import socket
import ssl
import subprocess
import threading
from contextlib import suppress

import pytest

from qwen_vla_eval.serving import NO_TLS, Serving, _tls
from robots import WIDOWX


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    files = tuple(tmp_path_factory.mktemp("tls") / name for name in ("cert.pem", "key.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", files[1], "-out", files[0]]
    subprocess.run(command, check=True, capture_output=True)
    return files


def shaken_hands(context, newest):
    """The version of TLS between a server and a client that knows none newer."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, newest
    ours, theirs = socket.socketpair()

    def serve():
        with suppress(ssl.SSLError), context.wrap_socket(ours, server_side=True):
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs) as wrapped:
            return wrapped.version()
    finally:
        theirs.close()
        thread.join(10.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_when_a_client_knows_only_an_old_tls_expect_no_connection(certificate):
    context = _tls(certificate)
    assert shaken_hands(context, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shaken_hands(context, ssl.TLSVersion.TLSv1_1)


def test_when_a_network_is_served_without_tls_expect_that_to_be_said(
    certificate, tmp_path, capsys
):
    (tmp_path / "key.txt").write_text("a-key-of-16-letters\n")
    serving = {"checkpoint": tmp_path, "embodiments": [WIDOWX], "instruction": None, "port": 0}
    serving |= {"devices": ["cpu"], "weights": None, "threads": 1, "compiled": False}
    serving |= {"api_key_file": tmp_path / "key.txt"}
    for host, tls, said in (
        ("127.0.0.1", None, ""),
        ("0.0.0.0", None, NO_TLS + "\n"),
        ("0.0.0.0", certificate, ""),
    ):
        Serving(**serving, host=host, tls=tls).check()
        assert capsys.readouterr().out == said
