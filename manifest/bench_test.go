package manifest

import "testing"

func BenchmarkParseAndAssemble(b *testing.B) {
	data := []byte(deployment("web", "nginx:1"))
	for b.Loop() {
		Assemble(Info{Commit: "a1"}, []Parsed{Parse("web.yaml", data)})
	}
}
