# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# For the cases of qemu.sh: QEMUs in the background, their guests' consoles, their monitors. Each
# has a name and a folder $top/NAME with
#	serial tty.in	what the guest said, what it reads
#	said mon.in	what the monitor said, commands to it
#	errors		QEMU's own messages

QEMU=/usr/bin/qemu-system-x86_64
why=

seconds() {
	cut -d. -f1 /proc/uptime
}

# await LIMIT COMMAND...: until it succeeds, for LIMIT seconds at most.
await() {
	end=$(($(seconds) + $1))
	shift
	until "$@"; do
		[ "$(seconds)" -lt $end ] || return 1
		sleep 0.2
	done
}

# start NAME ARGUMENT...: a QEMU, its guest on the serial port, its monitor on a pipe.
start() {
	name=$1 dir=$top/$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	: >"$dir/serial" >"$dir/said"
	mkfifo "$dir/tty.in" "$dir/tty.out" "$dir/mon.in" "$dir/mon.out"
	# Both ends are open from now on, so that nobody waits for another to come.
	cat <>"$dir/tty.out" >/dev/null &
	echo $! >"$dir/reader"
	cat <>"$dir/mon.out" >/dev/null &
	echo $! >"$dir/listener"
	"$QEMU" -accel "kvm${irqchip:+,kernel-irqchip=$irqchip}" -display none -vga none -nic none \
		-no-reboot -chardev "pipe,id=tty,path=$dir/tty,logfile=$dir/serial" \
		-serial chardev:tty -chardev "pipe,id=mon,path=$dir/mon,logfile=$dir/said" \
		-mon mon "$@" >"$dir/errors" 2>&1 </dev/null &
	pid=$!
	echo $pid >"$dir/pid"
}

process() {
	cat "$top/$1/pid"
}

runs() {
	kill -0 "$(process "$1")" 2>/dev/null
}

ended() {
	! runs "$1"
}

prompts() {
	grep -ao '(qemu)' "$top/$1/said" | wc -l
}

answered() {
	[ "$(prompts "$1")" -gt "$2" ] || ended "$1"
}

# monitor NAME LIMIT COMMAND...: have the monitor carry it out; false if it gives no answer.
monitor() {
	who=$1 limit=$2
	shift 2
	await 120 answered "$who" 0
	before=$(prompts "$who")
	echo "$*" >"$top/$who/mon.in"
	await "$limit" answered "$who" "$before" && runs "$who" && return
	fail "the monitor has no answer to $1"
}

# says NAME PATTERN: the guest has said that.
says() {
	grep -aq -e "$2" "$top/$1/serial"
}

says_monitor() {
	grep -aq -e "$2" "$top/$1/said"
}

says_or_ended() {
	says "$1" "$2" || ended "$1"
}

# expect NAME LIMIT PATTERN: the guest says that in time.
expect() {
	await "$2" says_or_ended "$1" "$3"
	says "$1" "$3" || fail "no \"$3\" within $2 s"
}

# fail WHY: the first reason is kept; false.
fail() {
	: "${why:=$1}"
	return 1
}

# finish NAME LIMIT: it ends by itself, with status 0.
finish() {
	await "$2" ended "$1" || fail "no end within $2 s" || return
	wait "$(process "$1")"
	status=$?
	[ $status = 0 ] || fail "QEMU's status is $status"
}

# complains NAME: the first complaint of the guest's kernel. QEMU's TCG lets a guest's XSETBV
# through without an exit, so no hypervisor in it can keep CPUID leaf 0xd in step, and Linux says
# so once.
complaint() {
	sed '/cut here/,/end trace/{/XSAVE consistency/,/end trace/d;/cut here/d}' "$top/$1/serial" |
		grep -a -m 1 -E 'BUG:|WARNING:|Oops|Call Trace|soft lockup|stall on CPU|Kernel panic'
}

# proven NAME CPUS: this guest came to userspace on so many processors, without a complaint.
proven() {
	says "$1" "guest: token $(printf %s "$token" | sha256sum | cut -d' ' -f1)" ||
		fail 'userspace was not reached' || return
	says "$1" "guest: cpus $2" || fail "not $2 CPUs" || return
	bad=$(complaint "$1")
	[ -z "$bad" ] || fail "the guest complained: $bad"
}

# Where each QEMU that still runs is, and the end of what all said.
post_mortem() {
	echo "# $why"
	for dir in "$top"/*/; do
		dir=${dir%/}
		name=${dir##*/}
		if runs "$name"; then
			echo 'info registers -a' >"$dir/mon.in"
			sleep 2
			grep -aE 'RIP=|EIP=' "$dir/said" | tail -n 4
		fi
		for what in errors serial; do
			tail -n 15 "$dir/$what" | tr -d '\r' | grep -v '^$' | cut -c1-160 |
				sed "s/^/$name $what: /"
		done
	done 2>/dev/null | sed 's/^/# /'
}

# End all, whatever they do.
clean() {
	for dir in "$top"/*/; do
		for who in pid reader listener; do
			kill -KILL "$(cat "$dir/$who")" 2>/dev/null
			wait "$(cat "$dir/$who")" 2>/dev/null
		done
	done
	rm -rf "$top"
}

# tap NAME: run case_NAME.
tap() {
	# shellcheck disable=SC2034 # the cases' variables
	n=$((n + 1)) why='' irqchip='' kernel='' append='' begun=$(seconds)
	token=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')
	if "case_$1" && [ -z "$why" ]; then
		clean
		echo "ok $n - $1"
	else
		post_mortem
		clean
		echo "not ok $n - $1"
	fi
	echo "# $1: $(($(seconds) - begun)) s"
}
