#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on a test host: every line "NAME PROGRAM [ARG...]" of the list on stdin
# is one test of the KVM selftests in /kvm-tests. TAP on stdout.
#
#   run.sh SECONDS      how long one test may take

limit=$1
n=0

seconds() {
	cut -d. -f1 /proc/uptime
}

while read -r name program args; do
	n=$((n + 1))
	started=$(seconds)
	# A session of its own: what a test leaves running is killed with it.
	# shellcheck disable=SC2086 # the arguments are words
	setsid timeout -s KILL "$limit" "/kvm-tests/$program" $args >/tmp/out 2>&1 </dev/null &
	wait $!
	status=$?
	kill -KILL -- -$! 2>/dev/null
	took=$(($(seconds) - started))
	case $status in
	0) echo "ok $n - $name" ;;
	4) echo "ok $n - $name # SKIP $(grep -v '^$' /tmp/out | tail -n 1)" ;;
	*)
		if [ $took -ge "$limit" ]; then
			echo "# no end after $limit s"
		fi
		grep -vE '^ *[0-9]+[[:blank:]]*0x|^ *$|addr2line' /tmp/out | tail -n 5 | cut -c1-160 |
			sed 's/^/# /'
		echo "not ok $n - $name"
		;;
	esac
	echo "# $name: $took s" >&2
done
echo "1..$n"
