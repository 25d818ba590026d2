package judges

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/xdpeel/xdpeel/bpf/abi"
	"github.com/xdpeel/xdpeel/lab/checkout"
	"github.com/xdpeel/xdpeel/lab/labtest"
	"github.com/xdpeel/xdpeel/mirror"
)

// campaignTime is how long each pair of judges is asked.
func campaignTime() time.Duration {
	if testing.Short() {
		return time.Second
	}
	return 5 * time.Second
}

func root(t *testing.T) string {
	t.Helper()
	directory, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	return directory
}

// serverOnce compiles what most tests ask: that takes seconds.
var serverOnce func() (string, error)

func TestMain(m *testing.M) {
	directory, err := os.MkdirTemp("", "judges")
	if err != nil {
		panic(err)
	}
	serverOnce = sync.OnceValues(func() (string, error) {
		root, err := checkout.Root()
		if err != nil {
			return "", err
		}
		return BuildServer(root, directory, Addresses)
	})
	code := m.Run()
	os.RemoveAll(directory)
	os.Exit(code)
}

// buildServer skips the test where the C compiler is missing.
func buildServer(t *testing.T) string {
	t.Helper()
	return built(t)(serverOnce())
}

// built returns a function that takes what a build returns.
func built(t *testing.T) func(string, error) string {
	return func(path string, err error) string {
		t.Helper()
		if errors.Is(err, ErrNoCompiler) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	labtest.NeedRoot(t, "loads the program into the kernel")
}

// everyone returns a panel of all judges that can be had.
func everyone(t *testing.T) *Panel {
	t.Helper()
	names := []string{"mirror", "native"}
	if os.Getuid() == 0 {
		names = append(names, "kernel")
	}
	panel, err := Open(names, buildServer(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { panel.Close() })
	return panel
}

// runCampaign asks judges for a time and checks that they have seen all outcomes.
func runCampaign(t *testing.T, names []string, server string, duration time.Duration) {
	t.Helper()
	campaign := Campaign{
		Seed: 1, Duration: duration, Workers: 1, Shortest: Shortest(names),
		Open: func() (*Panel, error) { return Open(names, server) },
	}
	result, err := campaign.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for outcome, n := range result.Outcomes {
		if n == 0 && result.Sequences >= 20 { // a busy machine may not get that far
			t.Errorf("no frame of %d was %s", result.Frames, abi.Outcome(outcome))
		}
	}
	t.Logf("%d frames, %.0f a second", result.Frames, float64(result.Frames)/result.Took.Seconds())
}

func TestNativeAgreesWithMirror(t *testing.T) {
	runCampaign(t, []string{"native", "mirror"}, buildServer(t), campaignTime())
}

func TestNativeDecidesByNothingUnset(t *testing.T) {
	runCampaign(t, []string{"native", "mirror"}, built(t)(BuildServer(root(t), t.TempDir(), Memory)), time.Second)
}

func TestKernelAgreesWithMirror(t *testing.T) {
	needRoot(t)
	runCampaign(t, []string{"kernel", "mirror"}, "", campaignTime())
}

// TestFuzzer lets libFuzzer look for frames that the generator would not make,
// and puts what it finds before the other judges.
func TestFuzzer(t *testing.T) {
	fuzzer := built(t)(BuildFuzzer(root(t), t.TempDir()))
	corpus, crashes := t.TempDir(), t.TempDir()
	if err := Export(corpus, 1, 100); err != nil {
		t.Fatal(err)
	}
	fuzz := exec.CommandContext(t.Context(), fuzzer, corpus, "-seed=1", "-artifact_prefix="+crashes+"/",
		"-max_total_time="+fmtSeconds(campaignTime()))
	if log, err := fuzz.CombinedOutput(); err != nil {
		t.Fatalf("fuzz: %v\n%s", err, log)
	}
	replayAll(t, corpus, []string{"native", "mirror"}, buildServer(t), time.Hour)
	if os.Getuid() == 0 { // each change of policy takes it some milliseconds
		replayAll(t, corpus, []string{"kernel", "mirror"}, "", campaignTime())
	}
}

// replayAll has judges judge the files of a directory, as many as the time allows.
func replayAll(t *testing.T, directory string, names []string, server string, duration time.Duration) {
	t.Helper()
	start := time.Now()
	panel, err := Open(names, server)
	if err != nil {
		t.Fatal(err)
	}
	defer panel.Close()
	paths, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil {
		t.Fatal(err)
	}
	frames, files := 0, 0
	for ; files < len(paths) && time.Since(start) < duration; files++ {
		path := paths[files]
		n, err := panel.Replay(path, Shortest(names))
		if err != nil {
			t.Fatal(err)
		}
		frames += n
	}
	if frames < files {
		t.Errorf("%d of the fuzzer's inputs hold %d frames only", files, frames)
	}
	t.Logf("%d frames of %d of %d inputs", frames, files, len(paths))
}

// TestFullSessionTable opens more sessions than have accounts of their own: the
// others share one, and its count of samples, and learn no MAC.
func TestFullSessionTable(t *testing.T) {
	panel := everyone(t)
	const beyond = 100
	oneInThree := mirror.TakeAll()
	oneInThree.Sessions[0].Sample = mirror.Sampling{By: abi.SamplingByPacket, OneIn: 3}
	judgements, err := panel.ask(manySessions(t, oneInThree, abi.LimitSessions-1+beyond))
	if err != nil {
		t.Fatal(err)
	}
	if len(judgements.Sessions) != abi.LimitSessions-1 || judgements.Overflow.Packets != 2*beyond {
		t.Errorf("%d sessions and %d packets beyond, want %d and %d",
			len(judgements.Sessions), judgements.Overflow.Packets, abi.LimitSessions-1, 2*beyond)
	}
	if got, want := judgements.Overflow.SampledOut, uint64(2*beyond*2/3); got != want {
		t.Errorf("%d packets beyond are sampled out, want %d", got, want)
	}
	directed := 0
	for _, judgement := range judgements.List {
		if judgement.Packet.Direction != abi.DirectionUnknown {
			directed++
		}
	}
	if want := 2*(abi.LimitSessions-1) + beyond; directed != want {
		t.Errorf("%d packets with a direction, want %d", directed, want)
	}
}
