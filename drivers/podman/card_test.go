package podman

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podkeep/podkeep/live"
)

// talkative is a host that counts how often it is asked, and takes a second to answer.
type talkative struct{ asked int }

func (a *talkative) ask(ctx context.Context) (live.Facts, error) {
	a.asked++
	return live.Facts{Podman: "4.3.1", CPUs: 4, Memory: 8 << 30}, wait(ctx, time.Second)
}

// learnt looks once and gives what is known when nothing is under way any more.
func learnt(ctx context.Context, h *host, served string) card {
	if _, asking := h.facts(ctx, served); asking != nil {
		<-asking
	}
	synctest.Wait()
	c, _ := h.facts(ctx, served)
	return c
}

func TestWhatAHostSaysOfItselfIsAskedOnceInAWhile(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var a talkative
		h := newHost("podman+unix:///a.sock", dir, a.ask)
		if c, asking := h.facts(t.Context(), "4.3.1"); c.known() || asking == nil {
			t.Errorf("known before it was asked: %+v", c)
		}
		for _, step := range []struct {
			claim  string
			after  time.Duration
			served string
			asked  int
		}{
			{"at first", 0, "4.3.1", 1},
			{"not while that is good", goodFor - 2*time.Second, "4.3.1", 1},
			{"again once it is old", 2 * time.Second, "4.3.1", 2},
			{"again when another version answers", time.Minute, "5.0.0", 3},
			{"not for that version a second time", time.Minute, "5.0.0", 3},
		} {
			time.Sleep(step.after)
			if c := learnt(t.Context(), h, step.served); a.asked != step.asked || c.Facts.CPUs != 4 {
				t.Errorf("%s: asked %d times, want %d; %+v", step.claim, a.asked, step.asked, c.Facts)
			}
		}
		h.join.Wait()
	})
}

func TestProcessesShareWhatAHostSaidOfItself(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var a talkative
		first, second := newHost("podman+unix:///a.sock", dir, a.ask), newHost("podman+unix:///a.sock", dir, a.ask)
		_, one := first.facts(t.Context(), "4.3.1")
		_, two := second.facts(t.Context(), "4.3.1")
		<-one
		<-two
		if c := learnt(t.Context(), second, "4.3.1"); a.asked != 1 || c.Facts.CPUs != 4 {
			t.Errorf("two at once asked %d times; the second knows %+v", a.asked, c)
		}
		time.Sleep(goodFor / 2)
		later := newHost("podman+unix:///a.sock", dir, a.ask)
		if c, asking := later.facts(t.Context(), "4.3.1"); asking != nil || c.Facts.Memory != 8<<30 {
			t.Errorf("one that starts later knows %+v", c)
		}
		other := newHost("podman+unix:///b.sock", dir, a.ask)
		if c := learnt(t.Context(), other, "4.3.1"); a.asked != 2 || !c.known() {
			t.Errorf("another host was not asked: %d", a.asked)
		}
		if err := os.WriteFile(later.path+".json", []byte("{half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := learnt(t.Context(), newHost("podman+unix:///a.sock", dir, a.ask), "4.3.1"); a.asked != 3 || !c.known() {
			t.Errorf("what cannot be read kept it from being asked: %d", a.asked)
		}
	})
}

// Whoever is killed while it asks leaves Podman at work.
func TestAQuestionOfOneThatDiedIsGivenTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Duration
		ask := func(ctx context.Context) (live.Facts, error) {
			asked = append(asked, time.Since(began))
			return live.Facts{}, wait(ctx, time.Hour)
		}
		for range 20 {
			life, die := context.WithTimeout(t.Context(), time.Second)
			_, asking := newHost("podman+unix:///a.sock", dir, ask).facts(life, "4.3.1")
			<-asking
			die()
		}
		if len(asked) < 2 || len(asked) > 3 || asked[1] < askPause {
			t.Errorf("twenty that lived for a second asked at %v", asked)
		}
	})
}

func TestAHostThatFailsToSayIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := newHost("podman+unix:///a.sock", "", func(context.Context) (live.Facts, error) {
			if asked++; asked == 1 {
				return live.Facts{}, errors.New("busy")
			}
			return live.Facts{CPUs: 2}, nil
		})
		poke := make(chan struct{}, 1)
		if c := learnt(t.Context(), h, ""); c.known() {
			t.Errorf("%+v", c)
		}
		if c := learnt(t.Context(), h, ""); !c.known() || asked != 2 {
			t.Errorf("asked %d times: %+v", asked, c)
		}
		h.tell(t.Context(), poke)
		if len(poke) != 1 {
			t.Error("nobody was told")
		}
	})
}
