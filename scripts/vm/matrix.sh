#!/usr/bin/env bash
# Runs the tests of packages as root on other kernels, one throw-away QEMU guest
# for each kernel and package, and says how each went in one line. Exit status 1
# if any failed. docs/kernels.md tells what the guests hold.
set -euo pipefail

usage() {
	cat <<-'END'
		usage: matrix.sh [FLAG]... [PACKAGE]...      (./loader)

		  --kernel RELEASE   only this one, such as 6.1 or newest (repeatable)
		  --nics KINDS       virtio, virtio-single, vmxnet3, or several of them with
		                     commas between: guests get two network cards of each kind,
		                     wired to each other
		  --run REGEXP       only these tests
		  --short            leave out what takes an emulated CPU long
		  --accel ACCEL      QEMU accelerator (tcg,thread=single)
		  --memory MIB       of each guest (1024)
		  --timeout MINUTES  after which a guest is killed (14)
		  --env NAME=VALUE   in the tests' environment (repeatable)
		  --program PACKAGE  goes into the guests too; XDPEEL_BINARY names it there
		  --self-test        test the guests themselves instead of packages

		environment:
		  XDPEEL_KERNEL_CACHE   kernels and logs (~/.cache/xdpeel/kernels)
		  XDPEEL_CORPUS         captures that go into the guests (../shared/corpus)
	END
}

here=$(cd "$(dirname "$0")" && pwd)
module=$(cd "$here/../.." && pwd)
export XDPEEL_KERNEL_CACHE=${XDPEEL_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xdpeel/kernels}
logs=$XDPEEL_KERNEL_CACHE/logs
corpus=$(realpath -m "${XDPEEL_CORPUS:-$module/../shared/corpus}")

releases=() packages=() run_flags=() test_flags=() wiring=()
nics='' self_test='' program=''
tested=0 failed=0

# The guest is killed last, so that a test which hangs can still tell where.
minutes=14

parse_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel) releases+=("${2-}") ;;
		--nics) nics=${2-} ;;
		--run) test_flags+=(-test.run "${2-}") ;;
		--accel) run_flags+=(-accel "${2-}") ;;
		--memory) run_flags+=(-memory "${2-}") ;;
		--timeout) minutes=${2-} ;;
		--env) run_flags+=(-env "${2-}") ;;
		--program) program=${2-} ;;
		--self-test) self_test=yes && shift && continue ;;
		--short) test_flags+=(-test.short) && shift && continue ;;
		-h | --help) usage && exit ;;
		-*) usage >&2 && exit 2 ;;
		*) packages+=("$1") && shift && continue ;;
		esac
		[ $# -gt 1 ] || { usage >&2 && exit 2; }
		shift 2
	done
	[ ${#releases[@]} -gt 0 ] || releases=(5.10 6.1 6.12 6.18 newest)
	[ ${#packages[@]} -gt 0 ] || packages=(./loader)
}

# Debian packages, for the programs in them that are missing.
install_programs() {
	local missing=()
	command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
	command -v xz >/dev/null || missing+=(xz-utils)
	command -v zstd >/dev/null || missing+=(zstd)
	command -v lz4 >/dev/null || missing+=(lz4)
	command -v ip >/dev/null || missing+=(iproute2)
	[ ${#missing[@]} -gt 0 ] || return 0
	local as_root=()
	[ "$EUID" -eq 0 ] || as_root=(sudo)
	"${as_root[@]}" apt-get -q update
	"${as_root[@]}" apt-get -q install -y --no-install-recommends "${missing[@]}"
}

# count WORDS: how many tests and subtests ended that way.
count() {
	grep -cE "^ *--- ($1): " "$work/log" || true
}

# summarise STATUS KERNEL SUBJECT SECONDS LOG: the one line, and all of the log of a failure.
summarise() {
	local word=ok
	[ "$1" -eq 0 ] || word=FAIL
	tested=$((tested + 1))
	printf '%-4s  %-28s  %-24s  %4d s  %d run, %d failed, %d skipped\n' "$word" "$2" "$3" "$4" \
		"$(count 'PASS|FAIL')" "$(count FAIL)" "$(count SKIP)"
	[ "$1" -eq 0 ] && return
	failed=1
	sed 's/^/    /' "$work/log"
	printf '    (exit status %d; log: %s)\n' "$1" "$5"
}

# logged LOG COMMAND...: the command ends with this script, however that ends. It
# does not write to LOG directly, which another run may be writing too.
logged() {
	local log=$1 status=0
	shift
	mkdir -p "$(dirname "$log")"
	setpriv --pdeathsig TERM "$@" >"$work/log" 2>&1 || status=$?
	cp "$work/log" "$log"
	return $status
}

# test_package KERNEL-DIRECTORY PACKAGE. Tests find in the guest what they find
# in a checkout: their testdata, and go.mod above it.
test_package() {
	local kernel=$1 package=$2 status=0
	local below=${package#"$module_path"}
	local log=$logs/${kernel##*/}/${package//\//_}${nics:+.$nics}.log
	local flags=(-kernel "$kernel" -timeout "${minutes}m" -dir "/xdpeel$below"
		-env XDPEEL_VM=1 -env "XDPEEL_VM_NICS=$nics" -add "$module/go.mod:/xdpeel/go.mod" "${run_flags[@]}")
	[ -z "$nics" ] || flags+=(-nics "$nics")
	[ ! -d "$module$below/testdata" ] || flags+=(-add "$module$below/testdata:/xdpeel$below/testdata")
	[ -z "$program" ] || flags+=(-add "$work/program:/bin/program" -env XDPEEL_BINARY=/bin/program)
	[ ! -d "$corpus" ] || flags+=(-add "$corpus:/corpus" -env XDPEEL_CORPUS=/corpus)
	SECONDS=0
	logged "$log" "${wiring[@]}" "$work/run" "${flags[@]}" \
		"$(test_binary "$package")" -test.v -test.timeout "$((minutes - 1))m" "${test_flags[@]}" || status=$?
	summarise "$status" "${kernel##*/}" ".$below" "$SECONDS" "$log"
}

test_guests() {
	local kernel=$1 log=$logs/${1##*/}/self-test.log status=0
	SECONDS=0
	XDPEEL_VM_KERNEL=$kernel logged "$log" "${wiring[@]}" "$work/run.test" -test.v -test.run TestGuest || status=$?
	summarise "$status" "${kernel##*/}" self-test "$SECONDS" "$log"
}

test_binary() {
	echo "$work/${1//\//_}.test"
}

# Builds into $work, and leaves in packages those that have tests.
build() {
	export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
	if [ -n "$self_test" ]; then
		packages=()
		go test -c -tags guest -o "$work/run.test" ./scripts/vm/run
		return
	fi
	go build -o "$work/run" ./scripts/vm/run
	[ -z "$program" ] || go build -o "$work/program" "$program"
	local package list
	list=$(go list "${packages[@]}")
	mapfile -t packages <<<"$list"
	for package in "${packages[@]}"; do
		go test -c -tags guest -o "$(test_binary "$package")" "$package"
	done
}

# All of it is read before any of it runs, so that an edit cannot confuse a run.
main() {
	parse_arguments "$@"
	trap 'exit 130' INT
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cd "$module"
	install_programs
	module_path=$(go list -m)
	build

	# Several queues want taps, and those a network namespace.
	case ,$nics,$self_test in
	*,virtio,* | *yes) wiring=(unshare --map-root-user --net "$here/taps.sh") ;;
	esac

	local release kernel package
	for release in "${releases[@]}"; do
		if ! kernel=$("$here/fetch-kernel.sh" "$release" 2>"$work/fetch.log"); then
			sed 's/^/    /' "$work/fetch.log"
			echo "SKIP  KERNEL $release IS NOT TO BE HAD: nothing was tested on it"
			continue
		fi
		[ -z "$self_test" ] || test_guests "$kernel"
		for package in "${packages[@]}"; do
			[ ! -x "$(test_binary "$package")" ] || test_package "$kernel" "$package"
		done
	done
	[ $tested -gt 0 ] || { echo "matrix: nothing was tested" >&2 && exit 1; }
	exit $failed
}

main "$@"
