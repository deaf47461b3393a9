#!/bin/sh
# Makes history.snap, residue.snap, stopped.db, log.wal and their facts with a real etcd (Debian's etcd-server and etcd-client, 3.4) on loopback.
# The facts come from etcdctl and from reader/, a program over go.etcd.io/bbolt; nothing of this crate takes part.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export ETCDCTL_API=3
client=http://127.0.0.1:23790
etcd --name sample --data-dir "$work/data" --listen-client-urls $client --advertise-client-urls $client \
  --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 \
  --initial-cluster sample=http://127.0.0.1:23800 --snapshot-count 1000 >"$work/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
ctl() { etcdctl --endpoints $client "$@"; }
for try in $(seq 50); do ctl endpoint health >/dev/null 2>&1 && break; sleep 0.2; done

for i in 1 2 3; do ctl put "/early/$i" v >/dev/null; done
ctl del /early/2 >/dev/null
ctl snapshot save "$here/fresh.snap" >/dev/null 2>&1
ctl endpoint hashkv -w json >"$work/fresh.json"
for i in $(seq 40); do ctl put "/registry/secrets/ns/s$i" "first-$i-$(printf %0120d "$i")" >/dev/null; done
lease=$(ctl lease grant 86400 | cut -d' ' -f2)
for i in 1 2 3; do ctl put --lease="$lease" "/registry/leased/$i" "leased $i" >/dev/null; done
ctl put /empty '' >/dev/null
ctl put "$(printf '/bytes/\001\033[31m\302')" binary >/dev/null
for i in $(seq 1 2 40); do ctl put "/registry/secrets/ns/s$i" "second-$i" >/dev/null; done
for i in $(seq 24 31); do ctl del "/registry/secrets/ns/s$i" >/dev/null; done
ctl compact --physical 72 >/dev/null
ctl snapshot save "$here/residue.snap" >/dev/null 2>&1
grep -ao 'first-[0-9]*-' "$here/residue.snap" | sort -u >"$here/residue.texts"
ctl put /registry/secrets/ns/s25 "born again" >/dev/null
printf 'mod("/empty") > "0"\n\nput /txn/a 1\nput /txn/b 2\ndel /registry/secrets/ns/s2\nput /txn/c 3\n\n\n' | ctl txn -i >/dev/null
ctl put /large "$(head -c 6000 /dev/zero | tr '\0' L)" >/dev/null
ctl del /registry/secrets/ns/s1 >/dev/null
ctl put /large "$(head -c 5000 /dev/zero | tr '\0' M)" >/dev/null

ctl snapshot save "$here/history.snap" >/dev/null 2>&1
ctl get '' --prefix -w json >"$work/live.json"
ctl get '' --prefix --rev=74 -w json >"$work/at74.json"
ctl endpoint hashkv -w json >"$work/hashkv.json"
for rev in 74 79; do ctl endpoint hashkv --rev=$rev -w json >"$work/hashkv$rev.json"; done
ctl snapshot status "$here/history.snap" -w json >"$work/status.json"
sleep 1
kill $server
wait $server 2>/dev/null || true
cp "$work/data/member/snap/db" "$here/stopped.db"
(cd "$here/reader" && go build -o "$work/reader" .)
"$work/reader" synced "$here/synced.db"
"$work/reader" rows "$here/synced.db" >"$here/synced.rows"
"$work/reader" rows "$here/history.snap" >"$here/history.rows"
"$work/reader" rows "$here/residue.snap" >"$here/residue.rows"
"$work/reader" rows "$here/stopped.db" >"$here/stopped.rows"
"$work/reader" state "$work/live.json" >"$here/history.live"
"$work/reader" state "$work/at74.json" >"$here/history.at74"
"$work/reader" hashes "$work/status.json" hashkv="$work/hashkv.json" hashkv74="$work/hashkv74.json" \
  hashkv79="$work/hashkv79.json" fresh="$work/fresh.json" >"$here/history.hashes"
"$work/reader" wal "$work"/data/member/wal/*.wal >"$here/log.entries" && "$work/reader" head "$work"/data/member/wal/*.wal "$here/log.wal"
