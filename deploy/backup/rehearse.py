#!/usr/bin/python3
"""Rehearses backup and point-in-time restore, start to end, in a folder of its own:

  1. a PostgreSQL that archives its WAL, with Homeport's schema and some devices
  2. a base backup while devices are being written
  3. more devices, then the moment to come back to, then an accident: devices are deleted
  4. a second server restored from the backup and the archive to that moment
  5. both are counted: nothing that was committed before the moment is missing, nothing after is there

rehearse.py --registry BINARY [--devices N] [--keep]
The same commands, on a real deployment's servers, are in docs/OPERATIONS.md.
"""

import argparse
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
USER = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
WAIT_SECONDS = 60


class Failed(Exception):
    pass


def as_user(*command):
    if not USER:
        return [str(c) for c in command]
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups",
            *(str(c) for c in command)]


def run(*command):
    result = subprocess.run(as_user(*command), capture_output=True, text=True, cwd="/")
    if result.returncode != 0:
        raise Failed(f"{command[0]} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


class Server:
    """One PostgreSQL over a unix socket in its folder."""

    def __init__(self, folder, settings):
        self.folder = folder
        self._settings = settings
        self._process = None

    def address(self, database="homeport"):
        return f"host={self.folder} user=homeport dbname={database}"

    def start(self):
        settings = [word for setting in self._settings for word in ("-c", setting)]
        with open(self.folder.parent / f"{self.folder.name}.log", "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                as_user(BIN / "postgres", "-D", self.folder / "data", "-k", self.folder,
                        "-c", "listen_addresses=", *settings),
                stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + WAIT_SECONDS
        while subprocess.run([BIN / "pg_isready", "-q", "-h", self.folder]).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the server in {self.folder} does not start; see its log")
            time.sleep(0.05)

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.send_signal(2)  # fast shutdown
            self._process.wait(WAIT_SECONDS)

    def sql(self, text, database="homeport"):
        return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                   self.address(database), "-c", text).strip()


def insert_devices(server, prefix, count):
    server.sql("INSERT INTO device (id, tenant, product) SELECT "
               f"'{prefix}-' || i, 'default', 'lamp' FROM generate_series(1, {count}) AS i;"
               "INSERT INTO shadow (device, name, version, state, metadata) SELECT "
               f"'{prefix}-' || i, '', 1, '{{}}', '{{}}' FROM generate_series(1, {count}) AS i;")


def prepare(folder, archive, registry):
    server = Server(folder, ["archive_mode=on", f"archive_command=cp %p {archive}/%f",
                             "wal_level=replica", "max_connections=20"])
    run(BIN / "initdb", "-D", folder / "data", "-U", "homeport", "-E", "UTF8",
        "--locale=C.UTF-8", "--auth=trust", "--no-sync")
    server.start()
    server.sql("CREATE DATABASE homeport", "postgres")
    result = subprocess.run([registry, "--migrate-only", f"--postgres={server.address()}"],
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(f"the schema was not made: {result.stderr}")
    return server


def back_up(server, target):
    run(BIN / "pg_basebackup", "-d", server.address("postgres"), "-D", target, "-X", "stream",
        "-c", "fast")


def archive_all(server, archive):
    """Ends the WAL segment and waits until it is in the archive."""
    segment = server.sql("SELECT pg_walfile_name(pg_switch_wal())")
    deadline = time.monotonic() + WAIT_SECONDS
    while not (archive / segment).exists():
        if time.monotonic() > deadline:
            raise Failed(f"the WAL segment {segment} is not archived")
        time.sleep(0.05)


def restore(backup, folder, archive, moment):
    shutil.move(str(backup), folder / "data")
    run("touch", folder / "data" / "recovery.signal")
    server = Server(folder, [f"restore_command=cp {archive}/%f %p",
                             f"recovery_target_time={moment}", "recovery_target_action=promote",
                             "archive_mode=off"])
    server.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while server.sql("SELECT pg_is_in_recovery()") != "f":
        if time.monotonic() > deadline:
            raise Failed("the restored server does not come out of recovery")
        time.sleep(0.05)
    return server


def counts(server):
    """By prefix of the id, over all partitions; and the schema's version."""
    devices = server.sql("SELECT string_agg(p || '=' || n, ' ' ORDER BY p) FROM (SELECT "
                         "split_part(id, '-', 1) AS p, count(*) AS n FROM device GROUP BY 1) AS c")
    shadows = server.sql("SELECT count(*) FROM shadow")
    schema = server.sql("SELECT max(version) FROM schema_migration")
    return {"devices": devices, "shadows": int(shadows), "schema": int(schema)}


def expect(what, found, wanted):
    print(f"  {what}: {found}")
    if found != wanted:
        raise Failed(f"{what}: {found}, expected {wanted}")


def rehearse(root, registry, count):
    folders = {name: root / name for name in ("archive", "primary", "restored")}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
        if USER:
            owner = pwd.getpwnam(USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    archive = folders["archive"]
    primary = prepare(folders["primary"], archive, registry)
    restored = None
    try:
        insert_devices(primary, "before", count)
        backup = folders["primary"] / "backup"
        back_up(primary, backup)
        insert_devices(primary, "behind", count)
        moment = primary.sql("SELECT clock_timestamp()")
        schema = counts(primary)["schema"]
        print(f"==> the moment is {moment}; then comes the accident")
        primary.sql("DELETE FROM device WHERE id LIKE 'before%'; DELETE FROM shadow")
        insert_devices(primary, "after", count)
        archive_all(primary, archive)
        expect("the primary has", counts(primary)["devices"], f"after={count} behind={count}")
        primary.stop()
        began = time.monotonic()
        restored = restore(backup, folders["restored"], archive, moment)
        print(f"==> restored in {time.monotonic() - began:.1f} s")
        expect("the restored server has", counts(restored),
               {"devices": f"before={count} behind={count}", "shadows": 2 * count,
                "schema": schema})
        restored.sql("INSERT INTO device (id, tenant, product) VALUES ('new', 'default', 'lamp')")
    finally:
        for server in (primary, restored):
            if server:
                server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=Path, required=True, help="the homeport-registry binary")
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="homeport-pitr-"))
    root.chmod(0o711)
    try:
        rehearse(root, arguments.registry.resolve(), arguments.devices)
    except Failed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        if arguments.keep:
            print(f"kept: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
    print("backup and point-in-time restore work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
