package devfleet_test

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How many rollouts there are under load, and requests meanwhile, both at least. None is the test in e2e_rollout_test.go alone.
var (
	manyRollouts = flag.Int("rollouts", 0, "how many rollouts there are under load, at least; 0 is none")
	manyRequests = flag.Int64("requests", 200_000, "how many requests there are while they go on, at least")
)

// excused is how long after a node was killed requests may begin that its pods no longer answer.
const excused = 3 * time.Second

// TestManyRolloutsLoseNoRequest rolls, promotes, switches, aborts and reverts again and again, and kills a node, under load.
func TestManyRolloutsLoseNoRequest(t *testing.T) {
	if *manyRollouts == 0 {
		t.Skip("nobody asked for it: -rollouts 20")
	}
	s := &soak{rolling: rollsOut(t, "rollouts"), versions: map[string]int{"deployment": 1, "canary": 1, "sides": 1}}
	s.doors = []string{"n1", "n3"} // n2 is killed
	s.graces("30s")
	s.play("three workloads begin", (*soak).begins)
	for round := 1; s.count < *manyRollouts || s.requests() < *manyRequests; round++ {
		s.play(fmt.Sprintf("round %d: all are promoted", round), (*soak).promotes)
		s.play(fmt.Sprintf("round %d: a canary and the other side are aborted", round), (*soak).aborts)
		s.play(fmt.Sprintf("round %d: all are reverted", round), (*soak).reverts)
		if round == 1 {
			s.play("a node is killed while they roll", (*soak).kills)
		}
	}
	s.play("all requests were answered", (*soak).ends)
}

// soak counts what is done on a stage of Rollouts.
type soak struct {
	*rolling
	versions map[string]int // the newest of each file's
	count    int            // of rollouts
	excused  int64          // requests to the node that was killed
	began    time.Time
}

func (s *soak) play(claim string, play func(*soak)) {
	s.Helper()
	s.rolling.scene(claim, func(r *rolling) {
		whole := s.rolling
		s.rolling = r
		defer func() { s.rolling = whole }()
		play(s)
		s.unfailing()
	})
}

func (s *soak) begins() {
	s.start()
	commit := s.push("version 1")
	s.stands(commit, "Converged", "hello", "canary", "sides")
	s.askers = s.asksFor("hello", "canary", "canary-stable", "sides")
	s.began = time.Now()
}

// next pushes a new version of these files' workloads.
func (s *soak) next(files ...string) (commit string) {
	s.Helper()
	for _, file := range files {
		s.versions[file]++
		s.replace(file+".yaml", versionLine, fmt.Sprintf(`name: VERSION, value: "%d"`, s.versions[file]))
	}
	s.count += len(files)
	return s.push(fmt.Sprint("next of ", files))
}

func (s *soak) promotes() {
	commit := s.next("deployment", "canary", "sides")
	s.stands(commit, "Paused", "canary", "sides")
	s.decides("promote", "canary", "it looks well")
	s.decides("promote", "sides", "it looks well")
	s.stands(commit, "Converged", "hello", "canary", "sides")
	s.answersNewest("hello", "deployment")
	s.answersNewest("canary-stable", "canary")
	s.answersNewest("sides", "sides")
}

func (s *soak) answersNewest(service, file string) {
	s.Helper()
	s.says(service, strconv.Itoa(s.versions[file]))
}

func (s *soak) aborts() {
	commit := s.next("canary", "sides")
	s.stands(commit, "Paused", "canary", "sides")
	s.decides("abort", "canary", "errors rise")
	s.decides("abort", "sides", "errors rise")
	s.stands(commit, "Failed", "canary", "sides")
}

// reverts takes back what was aborted, and what was promoted before that.
func (s *soak) reverts() {
	s.command(s.path("work"), "git", "revert", "--no-edit", "HEAD", "HEAD~1")
	s.count += len(s.versions)
	s.stands(s.pushHead(), "Converged", "hello", "canary", "sides")
}

// kills has a node lose its power while pods of all workloads are replaced.
func (s *soak) kills() {
	commit := s.next("deployment", "canary", "sides")
	s.stands(commit, "", "hello")
	at := time.Now()
	s.ok(s.fleet.PowerOff(s.Context(), "n2"))
	s.stands(commit, "Paused", "canary", "sides")
	s.decides("promote", "canary", "whatever happened")
	s.decides("promote", "sides", "whatever happened")
	s.stands(commit, "Converged", "hello", "canary", "sides")
	var last time.Time
	var why []string
	now := time.Now()
	for _, a := range s.askers {
		s.await(func() error {
			if said := a.said(s.stage); said.Oldest.Before(now) {
				return fmt.Errorf("a request from %q hangs since %s", a.node, said.Oldest)
			}
			return nil
		})
		said := a.said(s.stage)
		s.excused, why = s.excused+said.Failures, append(why, said.Why...)
		if said.Failed.After(last) {
			last = said.Failed
		}
	}
	s.Logf("%d requests failed when n2 was killed; the last began %s after", s.excused, last.Sub(at))
	if last.After(at.Add(excused)) {
		s.Errorf("a request failed that began %s after n2 was killed, at %s: %s", last.Sub(at), at.Format("15:04:05.000"), s.names(strings.Join(why, "\n")))
	}
	s.ok(s.fleet.Heal(s.Context(), "n2"))
	s.stands(commit, "Converged", "hello", "canary", "sides")
}

// unfailing checks that no request failed but those that are excused.
func (s *soak) unfailing() {
	s.Helper()
	var failed int64
	var why []string
	for _, a := range s.askers {
		said := a.said(s.stage)
		failed += said.Failures
		why = append(why, said.Why...)
	}
	if failed > s.excused {
		s.Errorf("%d requests failed: %s", failed-s.excused, s.names(strings.Join(why, "\n")))
	}
}

// requests are how many there were.
func (s *soak) requests() (all int64) {
	for _, a := range s.askers {
		said := a.said(s.stage)
		all += said.Answers + said.Failures
	}
	return all
}

func (s *soak) ends() {
	all := s.requests()
	s.Logf("%d rollouts in %s, %d requests, %d failed, all of them within %s of the kill of a node", s.count, time.Since(s.began).Round(time.Second), all, s.excused, excused)
}
