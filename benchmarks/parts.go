package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// part is one of the things that a run measures.
type part struct {
	name  string
	runs  bool                          // it runs the xdpeel that was built
	quick func(*suite, context.Context) // of a quick run; nil: it leaves the part out
	full  func(*suite, context.Context)
}

// parts are all of them, in their order. What is quick about a quick run is that it
// repeats less, and leaves things out.
var parts = []part{
	{"pass", false, (*suite).quickPass, (*suite).fullPass},
	{"redirect", false, (*suite).quickRedirect, (*suite).fullRedirect},
	{"vxlan", false, (*suite).quickVXLAN, (*suite).fullVXLAN},
	{"filter", false, (*suite).quickFilter, (*suite).fullFilter},
	{"reload", false, (*suite).quickReload, (*suite).fullReload},
	{"user", false, (*suite).quickUser, (*suite).fullUser},
	{"waking", true, (*suite).quickWaking, (*suite).fullWaking},
	{"rings", false, nil, (*suite).fullRings},
	{"stages", false, nil, (*suite).fullStages},
	{"growth", true, nil, (*suite).fullGrowth},
	{"sums", true, nil, (*suite).fullSums},
	{"suricata", true, (*suite).quickSuricata, (*suite).fullSuricata},
	{"costs", true, nil, (*suite).fullCosts},
	{"captures", true, (*suite).quickCaptures, (*suite).fullCaptures},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// choose returns the parts with these names; all of them if there are none.
func choose(names []string) ([]part, error) {
	if len(names) == 0 {
		return parts, nil
	}
	for _, name := range names {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(names, p.name) }), nil
}

// How often each side of a comparison is measured, if nothing else is said.
const (
	fullPairs  = 10
	quickPairs = 3
)

// lossAllowed is the loss at which rates are given beside those without.
const lossAllowed = 0.005

func (s *suite) quickPass(ctx context.Context) { s.pass(ctx, 2*quickPairs) }
func (s *suite) fullPass(ctx context.Context)  { s.pass(ctx, 2*fullPairs) }

func (s *suite) pass(ctx context.Context, pairs int) {
	s.attempt(ctx, "pass_vs_noop", func() ([]Result, error) { return comparePass(ctx, pairs) })
}

// quickRedirect leaves full packets out, of which the program sees no more than of small ones.
func (s *suite) quickRedirect(ctx context.Context) {
	s.redirect(ctx, []Mix{small}, quickPairs)
	for _, load := range redirectLoads {
		s.Results = append(s.Results, unmeasured(captureName("redirect_vs_bare"+load.suffix, full, 0), onlyFull))
	}
}

func (s *suite) fullRedirect(ctx context.Context) { s.redirect(ctx, []Mix{small, full}, 2*fullPairs) }

func (s *suite) redirect(ctx context.Context, mixes []Mix, pairs int) {
	for _, mix := range mixes {
		s.attempt(ctx, captureName("redirect_vs_bare", mix, 0), func() ([]Result, error) { return compareRedirects(ctx, mix, pairs) })
	}
	s.attempt(ctx, "redirect_program_ns", func() ([]Result, error) { return measureRedirectPrograms(ctx, pairs) })
}

// quickVXLAN leaves it out, for want of time.
func (s *suite) quickVXLAN(context.Context) {
	for _, mix := range []Mix{small, full} {
		s.Results = append(s.Results, unmeasured(captureName(vxlanName, mix, 0), onlyFull))
	}
}

func (s *suite) fullVXLAN(ctx context.Context) {
	for _, mix := range []Mix{small, full} {
		s.attempt(ctx, captureName(vxlanName, mix, 0), func() ([]Result, error) { return compareVXLAN(ctx, mix, vxlanPace, 2*fullPairs) })
	}
}

func (s *suite) quickFilter(ctx context.Context) {
	s.filter(ctx, filterPlan{rounds: 2 * quickPairs, sizes: []int{1, 1000, 10_000}})
	s.attempt(ctx, "filter_vs_*", func() ([]Result, error) { return compareHostFilters(ctx, quickFilterPeers(), quickPairs) })
	s.Results = append(s.Results, unmeasured(slowToCompile, onlyFull))
}

func (s *suite) fullFilter(ctx context.Context) {
	s.filter(ctx, filterPlan{rounds: 3 * fullPairs, sizes: []int{1, 10, 100, 1000, 10_000}})
	s.attempt(ctx, "filter_vs_*", func() ([]Result, error) { return compareHostFilters(ctx, filterPeers, 2*fullPairs) })
}

func (s *suite) filter(ctx context.Context, plan filterPlan) {
	s.attempt(ctx, "filter", func() ([]Result, error) {
		results, points, err := measureFilter(ctx, plan)
		s.Growth = append(s.Growth, points...)
		return results, err
	})
}

// quickFilterPeers leaves out what takes tcpdump long to compile.
func quickFilterPeers() []filterPeer {
	return slices.DeleteFunc(slices.Clone(filterPeers), func(p filterPeer) bool { return p.name == slowToCompile })
}

// quickReload leaves the reading of files out.
func (s *suite) quickReload(ctx context.Context) {
	s.reload(ctx, reloadWays[:1], 2*quickPairs)
	for _, way := range reloadWays[1:] {
		s.Results = append(s.Results, unmeasured(way.name+"_ms", onlyFull))
	}
}

func (s *suite) fullReload(ctx context.Context) { s.reload(ctx, reloadWays, 3*fullPairs) }

func (s *suite) reload(ctx context.Context, ways []reloadWay, reloads int) {
	for _, way := range ways {
		s.attempt(ctx, way.name+"_ms", func() ([]Result, error) { return way.measure(ctx, s.directory, reloads) })
	}
}

func (s *suite) quickUser(ctx context.Context) {
	s.attempt(ctx, "user", func() ([]Result, error) {
		return measureUser(ctx, []*userPlace{{directory: s.directory}}, quickPairs)
	})
}

func (s *suite) fullUser(ctx context.Context) {
	s.attempt(ctx, "user", func() ([]Result, error) {
		return measureUser(ctx, []*userPlace{{directory: s.directory}, {suffix: "_disk", directory: s.disk}}, fullPairs)
	})
}

func (s *suite) quickWaking(ctx context.Context) { s.waking(ctx, wakingPlan{1, 20, time.Second}) }
func (s *suite) fullWaking(ctx context.Context)  { s.waking(ctx, wakingPlan{3, 200, 20 * time.Second}) }

func (s *suite) waking(ctx context.Context, plan wakingPlan) {
	s.attempt(ctx, "waking", func() ([]Result, error) { return measureWaking(ctx, s.xdpeel, plan) })
}

func (s *suite) fullRings(ctx context.Context) {
	s.attempt(ctx, "own_rings_vs_shared_ring", func() ([]Result, error) {
		results, points, err := measureRings(ctx, 2*fullPairs)
		s.Growth = append(s.Growth, points...)
		return results, err
	})
}

func (s *suite) fullStages(ctx context.Context) {
	s.attempt(ctx, "stages", func() (_ []Result, err error) {
		s.Stages, err = measureStages(ctx, []int{64, 512, 1450}, 2*fullPairs)
		return nil, err
	})
}

func (s *suite) fullGrowth(ctx context.Context) {
	for _, scale := range growthScales {
		s.attempt(ctx, "growth_"+scale.name, func() ([]Result, error) {
			points, err := measureGrowth(ctx, scale, capturers(s.xdpeel)[0], s.directory, 3)
			s.Growth = append(s.Growth, points...)
			return nil, err
		})
	}
}

func (s *suite) fullSums(ctx context.Context) {
	s.attempt(ctx, "sums_missing", func() ([]Result, error) { return measureSums(ctx, s.xdpeel, s.directory, s.packets) })
}

func (s *suite) fullCosts(ctx context.Context) {
	for _, part := range captureRates {
		s.attempt(ctx, captureName("capture_cpu", part.mix, 0), func() ([]Result, error) {
			return compareCaptureCosts(ctx, costContenders(s.xdpeel, s.before), s.directory, part.mix, part.rate, fullPairs)
		})
	}
}

// quickSuricata leaves it out: rounds are long.
func (s *suite) quickSuricata(context.Context) {
	for _, mix := range []Mix{small, full} {
		s.Results = append(s.Results, unmeasured(captureName("suricata_vs_native", mix, 0), onlyFull))
	}
}

func (s *suite) fullSuricata(ctx context.Context) {
	for _, mix := range []Mix{small, full} {
		s.attempt(ctx, captureName("suricata_vs_native", mix, 0), func() ([]Result, error) {
			return compareSuricata(ctx, s.xdpeel, s.directory, mix, suricataRounds)
		})
	}
}
