"""HTTP/2 without TLS on the ports of services, with clients that people use: by prior knowledge, by upgrade, and as ever."""

import subprocess

import pytest

from registry import RegistryBroker


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    broker = RegistryBroker(tmp_path_factory.mktemp("http")).start()
    yield broker
    broker.stop()


def curl(*arguments):
    """Protocol version, status and body of curl's last answer."""
    result = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_version} %{http_code}", *arguments],
        capture_output=True, text=True, check=True,
    )
    body, _, last = result.stdout.rpartition("\n")
    version, status = last.split()
    return version, int(status), body


@pytest.mark.parametrize("flag, version", [("--http2-prior-knowledge", "2"), ("--http2", "2"), ("--http1.1", "1.1")])
def test_curl_gets_the_same_answers(shared, flag, version):
    assert curl(flag, f"{shared.url}/subjects") == (version, 200, "[]")
    assert curl(flag, f"{shared.url}/nothing")[:2] == (version, 404)


@pytest.mark.parametrize("flag, version", [("--http2-prior-knowledge", "2"), ("--http2", "2"), ("--http1.1", "1.1")])
def test_curl_posts(shared, flag, version):
    body = '{"schema": "\\"string\\""}'
    answer = curl(flag, "-H", "Content-Type: application/json", "-d", body, f"{shared.url}/subjects/curl-value/versions")
    assert answer[:2] == (version, 200), answer


@pytest.fixture
def client():
    """One connection of HTTP/2. httpx has it with a newer h2 than the clients of ksqlDB allow; curl 7.88 cannot use such a
    connection twice."""
    httpx = pytest.importorskip("httpx")
    try:
        made = httpx.Client(http1=False, http2=True, timeout=20)
    except (ImportError, AttributeError) as error:
        pytest.skip(f"httpx has no HTTP/2 here: {error}")
    with made:
        yield made


def test_many_requests_share_one_connection(shared, client):
    for _ in range(200):
        answer = client.get(f"{shared.url}/subjects")
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert client.post(f"{shared.url}/subjects/x-value/versions", content=b"{" * 10).status_code in (400, 422)


def test_a_long_body_is_refused_and_the_connection_goes_on(shared, client, tmp_path):
    long = tmp_path / "long"
    long.write_bytes(b"x" * (64 << 20))
    path = f"{shared.url}/subjects/x-value/versions"
    assert curl("--http2-prior-knowledge", "-H", "Expect:", "-H", "Content-Type: application/json", "--data-binary", f"@{long}", path)[:2] == ("2", 413)
    import httpx

    try:
        # A third more than is taken: its time grows with the square of the body.
        assert client.post(path, content=b"x" * (22 << 20)).status_code == 413
    except httpx.ProtocolError:
        pass  # it goes on sending on the stream that was ended
    assert client.get(f"{shared.url}/subjects").status_code == 200
