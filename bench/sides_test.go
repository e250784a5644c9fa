package main

import "testing"

func TestAMetricIsTheNumberBeforeItsUnit(t *testing.T) {
	said := "cpu: some\nBenchmarkNodeSide-2   \t       3\t9999886002 ns/op\t         0.4700 %-of-a-core\t         7.727 MiB-RssAnon\nPASS\n"
	for unit, want := range map[string]float64{"%-of-a-core": 0.47, "MiB-RssAnon": 7.727} {
		if got, err := metric(said, unit); err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", unit, got, err, want)
		}
	}
	if _, err := metric("no test files", "MiB-RssAnon"); err == nil {
		t.Error("what was not said is no error")
	}
}
