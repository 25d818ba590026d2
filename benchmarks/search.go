package main

import "math"

// Attempt is what a trial says of its rate.
type Attempt struct {
	Passed  bool
	Reached float64 // packets a second that were really sent: less, if something else had the generator's CPU
}

// Search looks for the highest rate that passes, as RFC 2544 (26.1) has it, with
// the repetitions of RFC 9004: a single failure may be the machine's, and a single
// success luck.
type Search struct {
	Start         float64 // packets a second to begin with
	Step          float64 // factor, above 1, by which the rate goes up or down until it is bracketed; it grows
	Precision     float64 // relative width of the bracket at which the search ends
	Attempts      int     // trials that must fail before a rate has failed
	Confirmations int     // further trials that the rate found must pass
	MaxTrials     int     // after which the best rate so far stands; 0 for no limit
	Limit         float64 // what the generator can do, packets a second; no higher rate is tried
}

// Found is the end of a search.
type Found struct {
	Rate      float64 `json:"packets_per_second"` // highest rate reached by a trial that passed; 0 if none did
	Trials    int     `json:"trials"`
	Saturated bool    `json:"generator_was_limit"`
	Confirmed bool    `json:"confirmed"` // it passed all of the confirmations
}

// searching is a search under way.
type searching struct {
	Search
	try    func(rate float64) (Attempt, error)
	found  Found
	passes float64 // highest rate asked for that passed
	fails  float64 // lowest rate asked for that failed
}

// Run searches with the trials that try makes.
func (s Search) Run(try func(rate float64) (Attempt, error)) (Found, error) {
	run := &searching{Search: s, try: try, fails: math.Inf(1)}
	if err := run.bracket(); err != nil {
		return run.found, err
	}
	if err := run.narrow(); err != nil {
		return run.found, err
	}
	return run.found, run.confirm()
}

// judge tries a rate, and again if it failed.
func (s *searching) judge(rate float64) (bool, error) {
	for range s.Attempts {
		if s.exhausted() {
			break
		}
		s.found.Trials++
		attempt, err := s.try(rate)
		if err != nil {
			return false, err
		}
		if attempt.Passed {
			s.passes, s.found.Rate = rate, min(rate, attempt.Reached)
			return true, nil
		}
	}
	s.fails = rate
	return false, nil
}

func (s *searching) exhausted() bool { return s.MaxTrials > 0 && s.found.Trials >= s.MaxTrials }

// stepGrowth is by how much a step goes further than the one before, so that a
// bad start does not take all trials.
const stepGrowth = 1.5

// bracket finds a rate that passes below one that fails.
func (s *searching) bracket() error {
	step := s.Step
	for rate := s.Start; !s.exhausted() && rate >= 1; step = 1 + (step-1)*stepGrowth {
		rate = min(rate, s.Limit)
		passed, err := s.judge(rate)
		switch {
		case err != nil:
			return err
		case s.passes > 0 && !math.IsInf(s.fails, 1):
			return nil
		case passed && rate == s.Limit:
			s.found.Saturated = true
			return nil
		case passed:
			rate *= step
		default:
			rate /= step
		}
	}
	return nil
}

// narrow halves the bracket until it is as narrow as asked for.
func (s *searching) narrow() error {
	for s.passes > 0 && !s.found.Saturated && !s.exhausted() && s.fails/s.passes > 1+s.Precision {
		if _, err := s.judge(math.Sqrt(s.passes * s.fails)); err != nil {
			return err
		}
	}
	return nil
}

// confirm goes down from the rate found until one passes all confirmations.
func (s *searching) confirm() error {
	for confirmed := 0; confirmed < s.Confirmations && s.passes > 0 && !s.exhausted(); {
		passed, err := s.judge(s.passes)
		if err != nil {
			return err
		}
		if passed {
			confirmed++
			s.found.Confirmed = confirmed == s.Confirmations
			continue
		}
		confirmed, s.passes = 0, s.passes/(1+s.Precision)
		s.found.Rate = min(s.found.Rate, s.passes)
	}
	return nil
}
