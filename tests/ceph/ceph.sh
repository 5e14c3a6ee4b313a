#!/usr/bin/env bash
# A throw-away Ceph of one monitor, one manager and one OSD in memory, and as many S3 gateways as are asked for.
#
#   ceph.sh install                                  Debian's packages, where this runs as root; says why not otherwise
#   ceph.sh start DIR MONITOR_PORT                   all but gateways, everything below DIR
#   ceph.sh gateway DIR NAME PORT [MIN_PART_BYTES]   one more S3 gateway on 127.0.0.1; keys AK and SK
#   ceph.sh stop DIR                                 ends what was started there
set -euo pipefail

readonly PACKAGES=(ceph-mon ceph-mgr ceph-osd radosgw ceph-common nginx-light haproxy)
readonly PROGRAMS=(ceph-mon ceph-mgr ceph-osd radosgw radosgw-admin monmaptool nginx haproxy)

fail() { echo "$1" >&2; exit "${2:-1}"; }

missing() {
  local program
  # Debian keeps daemons where only root's PATH leads.
  for program in "${PROGRAMS[@]}"; do PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || echo "$program"; done
}

install() {
  [[ -z $(missing) ]] && return
  [[ $(id -u) == 0 && -e /etc/debian_version ]] || fail "no Ceph here, and only root on Debian can install it" 3
  export DEBIAN_FRONTEND=noninteractive
  local options=(-qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
  apt-get "${options[@]}" update >&2 || true
  # The packages' own services are not for here: they would want systemd.
  apt-get "${options[@]}" install -y --no-install-recommends "${PACKAGES[@]}" >&2 || fail "apt-get could not install Ceph" 3
  [[ -z $(missing) ]] || fail "after the installation these are missing: $(missing | xargs)" 3
}

configure() {
  local dir=$1 monitor_port=$2
  cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon initial members = a
mon host = v1:127.0.0.1:$monitor_port
keyring = $dir/keyring
auth allow insecure global id reclaim = true
run dir = $dir/run
pid file = $dir/run/\$name.pid
admin socket = $dir/run/\$name.asok
log file = $dir/log/\$name.log
crash dir = $dir/log
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
mon data = $dir/mon
mgr data = $dir/mgr
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd class update on start = false
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 2000
mon osd full ratio = .99
objecter tick interval = 1
osd client watch timeout = 6
rgw gc obj min wait = 30
rgw gc processor period = 30
CONF
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

gateway() {
  local dir=$1 name=$2 port=$3
  # One that was killed may not have ended quite; anybody else would be taken for this one.
  for _ in $(seq 20); do listens "$port" || break; sleep 0.1; done
  ! listens "$port" || fail "somebody else listens on port $port"
  # Without tcp_nodelay a reply that has a body comes 40 ms late: its last packet waits for the receipt of the one before.
  local frontend="beast endpoint=127.0.0.1:$port tcp_nodelay=1"
  local options=(-n "client.$name" "--rgw-frontends=$frontend" "--rgw-multipart-min-part-size=${4:-5242880}")
  setsid radosgw "${options[@]}" -f >"$dir/log/$name.out" 2>&1 </dev/null &
  echo $! >"$dir/run/$name.pid"
  for _ in $(seq 1200); do
    kill -0 "$(cat "$dir/run/$name.pid")" 2>/dev/null || fail "the gateway ended: $(tail -3 "$dir/log/$name.out")"
    listens "$port" && return
    sleep 0.1
  done
  kill -9 "$(cat "$dir/run/$name.pid")"
  fail "the gateway does not listen on port $port: see $dir/log"
}

# Until it succeeds: a monitor that has just begun refuses now and then what it grants a moment later.
insist() {
  for _ in $(seq 60); do
    "$@" >/dev/null 2>&1 && return
    sleep 1
  done
  "$@" >/dev/null
}

make_keys() {
  ceph-authtool --create-keyring "$1" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  local name
  for name in client.admin mgr.x osd.0 client.usual client.small client.cos client.crash client.faults client.processes; do
    ceph-authtool "$1" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
  done
}

start() {
  local dir=$1 osd
  mkdir -p "$dir"/{mon,mgr,osd,run,log}
  configure "$@"
  make_keys "$dir/keyring"
  monmaptool --create --addv a "[v1:127.0.0.1:$2]" --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" "$dir/monmap" >/dev/null
  ceph-mon -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
  ceph-mon -i a
  osd=$(cat /proc/sys/kernel/random/uuid)
  insist timeout 30 ceph osd new "$osd" 0
  insist ceph-osd -i 0 --mkfs --osd-uuid "$osd"
  insist ceph-osd -i 0
  insist ceph-mgr -i x
  insist user
}

user() {
  # One that was created although that was not heard of is there, too.
  timeout 240 radosgw-admin user create --uid=tests --display-name=tests --access-key=AK --secret-key=SK ||
    timeout 60 radosgw-admin user info --uid=tests
}

stop() {
  local pid_file pid
  for pid_file in "$1"/run/*.pid; do
    pid=$(cat "$pid_file" 2>/dev/null) || continue
    # Nothing here is worth an orderly end.
    kill -9 "$pid" 2>/dev/null || true
  done
}

export PATH=$PATH:/usr/sbin
[[ -n ${2:-} ]] && export CEPH_CONF=$2/ceph.conf
case ${1:-} in
  install) install ;;
  start) shift; start "$@" ;;
  gateway) shift; gateway "$@" ;;
  stop) stop "$2" ;;
  *) fail "usage: see the head of this file" 2 ;;
esac
