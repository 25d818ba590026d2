package main

import "context"

// side is one of those that take turns.
type side struct {
	run   func() (float64, error) // measures once: nanoseconds a packet
	costs []float64               // round by round
}

// alternate gives each side its turn, round by round.
func alternate(ctx context.Context, rounds int, sides []*side) error {
	for range rounds {
		for _, s := range sides {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			cost, err := s.run()
			if err != nil {
				return err
			}
			s.costs = append(s.costs, cost)
		}
	}
	return nil
}

// less takes what both have in common, round by round, off the costs.
func less(costs, common []float64) []float64 {
	rest := make([]float64, min(len(costs), len(common)))
	for i := range rest {
		rest[i] = costs[i] - common[i]
	}
	return rest
}
