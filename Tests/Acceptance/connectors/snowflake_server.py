"""fakesnow's server with what it leaves out of Snowflake and a sink relies on: logins by key pair that are checked, results as
JSON for clients that are none of Snowflake's drivers, databases that outlive the process, and an end of transactions whose
client is gone: Snowflake rolls them back when they were idle for five minutes and others wait for them, this after five seconds.

Runs in the virtual environment of test-servers/snowflake.sh:  snowflake_server.py PORT FOLDER PUBLIC_KEY_FILE
"""

import base64
import contextlib
import gzip
import hashlib
import json
import sys
import time

import fakesnow.server as fakesnow
import jwt
import pyarrow
import uvicorn
from cryptography.hazmat.primitives import serialization
from fakesnow.instance import FakeSnow
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

port, folder, key_file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
key = serialization.load_pem_public_key(open(key_file, "rb").read())
der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def refusal(code, message):
    return JSONResponse({"data": None, "code": code, "message": message, "success": False})


async def login(request):
    body = await request.body()
    data = json.loads(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)["data"]
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        user = f"{data['ACCOUNT_NAME']}.{data['LOGIN_NAME']}".upper()
        try:
            claims = jwt.decode(data["TOKEN"], key, algorithms=["RS256"], options={"require": ["iss", "sub", "iat", "exp"]})
        except jwt.PyJWTError:
            return refusal("390144", "JWT token is invalid.")
        if claims["iss"] != f"{user}.{fingerprint}" or claims["sub"] != user:
            return refusal("390144", "JWT token is invalid.")
        if not claims["iat"] - 60 <= time.time() <= claims["exp"] <= claims["iat"] + 3600:
            return refusal("390144", "JWT token is invalid.")
    return await fakesnow.login_request(request)


def cell(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, bytes):
        return value.hex().upper()
    return str(value)


# By token: when a session was used last; not there while it is.
idle_since = {}


async def end_idle_transactions():
    for token, since in list(idle_since.items()):
        if time.monotonic() - since > 5 and idle_since.pop(token, None) and token in fakesnow.sessions:
            # Where there is none, nothing happens.
            with contextlib.suppress(Exception):
                await run_in_threadpool(fakesnow.sessions[token].cursor().execute, "ROLLBACK")


async def query(request):
    token = request.headers.get("authorization", "")[17:-1]
    idle_since.pop(token, None)
    await end_idle_transactions()
    try:
        answer = await fakesnow.query_request(request)
    finally:
        idle_since[token] = time.monotonic()
    body = json.loads(answer.body)
    data = body.get("data") or {}
    # The drivers say who they are and take Arrow; others get JSON.
    if data.get("queryResultFormat") == "arrow" and "PythonConnector" not in request.headers.get("user-agent", ""):
        rows = []
        if data.get("rowsetBase64"):
            with pyarrow.ipc.open_stream(base64.b64decode(data["rowsetBase64"])) as stream:
                table = stream.read_all()
            rows = [[cell(value) for value in row] for row in zip(*[column.to_pylist() for column in table.columns])]
        data.pop("rowsetBase64", None)
        data |= {"queryResultFormat": "json", "rowset": rows}
        return JSONResponse(body, status_code=answer.status_code)
    return answer


fakesnow.shared_fs = FakeSnow(db_path=folder)
replaced = {"/session/v1/login-request": login, "/queries/v1/query-request": query}
routes = [Route(path, handler, methods=["POST"]) for path, handler in replaced.items()]
routes += [route for route in fakesnow.routes if route.path not in replaced]
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning")
