package host

const unprivilegedParameter = "kernel.unprivileged_bpf_disabled"

func examineUnprivileged(*visit) ([]Finding, error) {
	value, known, err := sysctlNumber(unprivilegedParameter)
	if err != nil || !known {
		return nil, err
	}
	return judgeUnprivileged(value), nil
}

func judgeUnprivileged(value int) []Finding {
	if value == 0 {
		return []Finding{setSysctl(Finding{
			Level: Note, Found: "anybody on this host may load BPF programs",
			Why: "mistakes in the kernel's verifier are open to everybody who can log in",
		}, unprivilegedParameter, 0, 2)}
	}
	return found("BPF programs are for the privileged alone (%s=%d)", unprivilegedParameter, value)
}
