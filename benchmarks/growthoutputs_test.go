package main

import "testing"

func TestGrowthWithOutputs(t *testing.T) {
	needRig(t)
	xdpeel := builtXdpeel(t)
	scale := growthScale{name: "outputs", points: []int{1, 3}, trial: outputsTrials(slowRate)}
	points, err := measureGrowth(t.Context(), scale, xdpeel, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(points) != 2 || points[1].At != 3 || points[1].Process.Median <= 0 || points[1].Memory.Resident == 0 {
		t.Errorf("growth is %+v", points)
	}
}
