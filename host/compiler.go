package host

const (
	jitParameter       = "net.core.bpf_jit_enable"
	jitHardenParameter = "net.core.bpf_jit_harden"
)

// jitFacts are the parameters of the kernel's compiler for programs.
type jitFacts struct {
	enabled, harden int
	known           bool // they are seen from the first network namespace alone
}

func examineCompiler(*visit) (findings []Finding, err error) {
	var f jitFacts
	if f.enabled, f.known, err = sysctlNumber(jitParameter); err != nil {
		return nil, err
	}
	if f.harden, _, err = sysctlNumber(jitHardenParameter); err != nil {
		return nil, err
	}
	return f.judge(), nil
}

func (f jitFacts) judge() []Finding {
	switch {
	case !f.known:
		return found("%s is not seen from this network namespace", jitParameter)
	case f.enabled == 0:
		return []Finding{setSysctl(Finding{
			Level: Warning, Found: "the kernel interprets programs instead of compiling them",
			Why: "every packet costs several times as much",
		}, jitParameter, 0, 1)}
	case f.harden == 2:
		return []Finding{setSysctl(Finding{
			Level: Warning, Found: "the kernel hides constants also in programs of root",
			Why: "the program gets longer, and every packet slower; 1 does it for others' programs alone",
		}, jitHardenParameter, 2, 1)}
	}
	return found("programs are compiled to machine code")
}
