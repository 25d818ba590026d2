package main

import "testing"

func TestGrowthWithOutputs(t *testing.T) {
	needRig(t)
	xdpeel := builtXdpeel(t)
	scale := growthScale{name: "outputs", points: []int{3}, trial: outputsTrials(slowRate)}
	points, err := measureGrowth(t.Context(), scale, xdpeel, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(points) != 1 || points[0].At != 3 || points[0].Process.Median <= 0 || points[0].Memory.Resident == 0 {
		t.Errorf("growth is %+v", points)
	}
}
