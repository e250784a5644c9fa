package drivertest

import (
	"context"
	"errors"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

// logs are how many lines a log has.
func (s *stage) logs(ask live.Log) (lines int, err error) {
	s.Helper()
	logger, ok := s.Driver.(drivers.Logger)
	if !ok {
		s.Fatal("it reads no logs")
	}
	ctx, cancel := context.WithTimeout(s.ctx(), Patience)
	defer cancel()
	return lines, logger.Logs(ctx, ask, func(live.Line) error { lines++; return nil })
}

func logsOfNone(s *stage) {
	_, err := s.logs(live.Log{Container: "0123456789ab", Last: -1})
	if !errors.Is(err, live.ErrNoLog) {
		s.Errorf("%v", err)
	}
}

func logsOfEnded(s *stage) {
	want := Pod("wrote", s.Ends)
	want.Spec.Containers[0].Args = []string{"say", "one", "say", "two", "exit", "3"}
	s.ok(s.Driver.Run(s.ctx(), want))
	id := s.await(want.Name, "over", over).Containers[0].ID
	all, err := s.logs(live.Log{Container: id, Last: -1})
	s.ok(err)
	if all < 2 {
		s.Errorf("%d lines", all)
	}
	followed, err := s.logs(live.Log{Container: id, Last: -1, Follow: true})
	s.ok(err)
	last, err := s.logs(live.Log{Container: id, Last: 1})
	s.ok(err)
	late, err := s.logs(live.Log{Container: id, Last: -1, Since: time.Now().Add(time.Hour)})
	s.ok(err)
	if followed != all || last != 1 || late != 0 {
		s.Errorf("of %d lines %d are followed, %d the last one, %d of an hour from now", all, followed, last, late)
	}
}

func logsBefore(s *stage) {
	want := Pod("before", s.Ends)
	want.Spec.Containers[0].Args = []string{"say", "one", "exit", "3"}
	s.ok(s.Driver.Run(s.ctx(), want))
	first := s.await(want.Name, "over", over).Containers[0]
	if _, err := s.logs(live.Log{Container: first.ID, Previous: true, Last: -1}); !errors.Is(err, live.ErrNoLog) {
		s.Errorf("before the first attempt: %v", err)
	}
	for attempt := range 3 {
		want.Attempt = map[string]int{"a": attempt + 1}
		s.ok(s.Driver.Run(s.ctx(), want))
		is := func(p live.Pod) bool { return over(p) && p.Containers[0].Attempt == attempt+1 }
		now := s.await(want.Name, "over again", is).Containers[0]
		if n, err := s.logs(live.Log{Container: now.ID, Previous: true, Last: -1}); err != nil || n == 0 {
			s.Errorf("attempt %d: %d lines of the one before it: %v", attempt+1, n, err)
		}
	}
}

func logsLeft(s *stage) {
	want := Pod("left", s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	id := s.await(want.Name, "running", running).Containers[0].ID
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	if err := s.Driver.(drivers.Logger).Logs(ctx, live.Log{Container: id, Follow: true, Last: -1}, func(live.Line) error { return nil }); err == nil {
		s.Error("it ended well")
	}
}
