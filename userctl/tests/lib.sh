#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# For scripts that run vmctl and judge how it ends and what it says, as TAP; to be sourced.
: "${VMCTL:=vmctl}" "${GUESTS:=.}" "${LINUX:=/bzImage}" "${INITRD:=/virtio.gz}"
mb=$GUESTS/multiboot.elf
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
echo "TAP version 13"

# The output without what places the cursor: a BIOS puts that between any two characters.
esc=$(printf '\033')
plain() {
	sed "s/$esc\[[0-9;?]*[A-Za-z]//g" "$tmp/out" >"$tmp/plain"
}

# verdict NAME: the exit status must be $want, each line of $tmp/want must occur in the output.
verdict() {
	n=$((n + 1))
	why=
	plain
	[ "$got" = "$want" ] || why="status $got, not $want"
	while read -r line; do
		grep -q -e "$line" "$tmp/plain" || why="$why; no \"$line\""
	done <"$tmp/want"
	if [ -z "$why" ]; then
		echo "ok $n - $1"
		return
	fi
	echo "not ok $n - $1"
	echo "# $why"
	tail -n 40 "$tmp/out" | tr -d '\r' | sed 's/^/# /'
}

# await COMMAND...: until it succeeds, for two minutes, or $limit times 50 ms: to end what hangs.
limit=2400
await() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt $limit ] || return 1
		sleep 0.05
	done
}

# says COUNT PATTERN: so many lines of the output match.
says() {
	plain
	[ "$(grep -c -e "$2" "$tmp/plain")" -ge "$1" ]
}

gone() {
	! kill -0 $pid 2>/dev/null
}

# start ARGUMENT...: vmctl run in the background, which finish waits for.
start() {
	# Now, and not by a process that may come later: the last case's output is no answer.
	: >"$tmp/out"
	# At its end: what a VM that goes on says does not hit the next one's.
	"$VMCTL" run "$@" >>"$tmp/out" 2>&1 <"${input:-/dev/null}" &
	pid=$!
}

# finish NAME: judge how the background process ends; one that does not says where it is.
finish() {
	if await gone; then
		wait $pid
		got=$?
	else
		got="none: it hangs"
		for task in /proc/$pid/task/*; do
			echo "# $(cat "$task/comm" "$task/syscall" "$task/wchan" | tr '\n' ' ')"
			sed 's/^/# /' "$task/stack"
		done 2>/dev/null
		kill -s KILL $pid
	fi
	verdict "$1"
}

# vm NAME STATUS PATTERNS ARGUMENT...: run to the end; patterns are separated by newlines.
vm() {
	name=$1 want=$2
	echo "$3" >"$tmp/want"
	shift 3
	start "$@"
	finish "$name"
}

# signalled NAME STATUS SIGNAL ACTION [OPTION...]: send a signal once the guest is ready.
signalled() {
	name=$1 want=$2 signal=$3 action=$4
	shift 4
	echo "ready" >"$tmp/want"
	start --kernel "$mb" --append "$action" "$@"
	await says 1 ready
	kill -s "$signal" $pid
	finish "$name"
}

# ends NAME STATUS PATTERNS COMMAND...: what it says, and how it ends.
ends() {
	title=$1 want=$2
	printf '%s' "${3:+$3
}" >"$tmp/want"
	shift 3
	timeout 300 "$@" >"$tmp/out" 2>&1 </dev/null
	got=$?
	verdict "$title"
}

# ctl NAME STATUS PATTERNS ARGUMENT...: likewise vmctl.
ctl() {
	title=$1 want=$2 patterns=$3
	shift 3
	ends "$title" "$want" "$patterns" "$VMCTL" "$@"
}

# holds NAME COMMAND...: it succeeds, at once or in time. What its arguments say is looked up once.
holds() {
	title=$1
	shift
	: >"$tmp/want"
	: >"$tmp/out"
	want=0 got=0
	await "$@" || got=1
	verdict "$title"
}

# serve FOLDER: by HTTP at port 8000, where there is a file to be had when this returns.
serve() {
	httpd -f -p 8000 -h "$1" &
	server=$!
	await wget -q -O /dev/null http://127.0.0.1:8000/file
}

# served_enough: and the port is free again.
served_enough() {
	kill $server
	wait $server
}

# field NAME MEMBER: of vmctl show --json, a number.
field() {
	"$VMCTL" show --json "$1" 2>/dev/null | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
