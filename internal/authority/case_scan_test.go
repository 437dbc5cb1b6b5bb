package authority_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/inkan-auth/inkan/internal/authority"
	"github.com/inkan-auth/inkan/internal/domain/audit"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/release"
	"github.com/inkan-auth/inkan/internal/store/db"
	"github.com/inkan-auth/inkan/internal/testkit"
)

// A scanned paper is what its first bytes say, lies sealed, belongs to what is granted, and every look at it is on record.
func TestScannedPapers(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.LogIn(w.Person(1, false), authority.PC)
		b := newBranch(w)
		id := b.counter(1, release.Broken, "downloads")
		attach := func(paper []byte) error {
			return w.AttachScan(ctx, b.clerk.StaffSession, id, b.seen(b.clerk, id).Version, paper)
		}
		for name, bad := range map[string][]byte{"nothing": nil, "a page": []byte("<html><script>alert(1)</script></html>"), "a picture with a script": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "too large": append([]byte("%PDF-1.7\n"), make([]byte, release.ScanBytes)...)} {
			want(t, name, attach(bad), problem.ScanRefused)
		}
		pdf := []byte("%PDF-1.7\n見本の免許証")
		for range 2 {
			fine(t, attach(pdf))
		}
		w.Clock.Move(time.Second)
		fine(t, attach([]byte("\x89PNG\r\n\x1a\n....")))
		w.Clock.Move(time.Second)
		c := b.seen(b.checker, id)
		if len(c.Scans) != 2 || c.Scans[0].Kind != "application/pdf" {
			t.Fatalf("there are %+v", c.Scans)
		}
		kind, got, err := w.Scan(ctx, b.checker.StaffSession, id, c.Scans[0].ID)
		if fine(t, err); kind != "application/pdf" || !bytes.Equal(got, pdf) {
			t.Errorf("%s %q", kind, got)
		}
		row, err := w.Store.Reader().ScanByID(ctx, db.ScanByIDParams{ID: c.Scans[0].ID, Request: id})
		if fine(t, err); bytes.Contains(row.Sealed, []byte("免許証")) {
			t.Error("a scan lies open")
		}
		if looks := trailOf(t, w, row2(t, w, id).Customer, audit.ReleaseScan); len(looks) != 1 || looks[0].Actor.ID != b.checker.Member.ID {
			t.Errorf("the look is recorded as %+v", looks)
		}
		other := b.counter(1, release.Broken, "downloads")
		_, _, err = w.Scan(ctx, b.checker.StaffSession, other, c.Scans[0].ID)
		want(t, "by way of another request", err, problem.NotFound)
		b.submit(id, looked(release.Downloads))
		want(t, "a paper after it was sent", attach([]byte("%PDF-1.7\nanother")), problem.CaseMoved)
		for i := range release.Scans + 1 {
			err := w.AttachScan(ctx, b.clerk.StaffSession, other, b.seen(b.clerk, other).Version, fmt.Appendf(nil, "%%PDF-1.7\n%d", i))
			if (problem.KindOf(err) == problem.ScanRefused) != (i >= release.Scans) {
				t.Errorf("paper %d: %v", i, err)
			}
		}
	})
}

func row2(t *testing.T, w *testkit.World, id string) db.ReleaseRequest {
	t.Helper()
	row, err := w.Store.Reader().ReleaseByID(t.Context(), id)
	fine(t, err)
	return row
}

// What staff has looked at and scanned is forgotten in its time, and the rest of the housekeeping goes on.
func TestLooksAndScansAreForgotten(t *testing.T) {
	t.Parallel()
	testkit.Each(t, func(t *testing.T, w *testkit.World) {
		ctx := t.Context()
		w.LogIn(w.Person(1, false), authority.PC)
		b := newBranch(w)
		id := b.counter(1, release.Broken, "downloads")
		fine(t, w.AttachScan(ctx, b.clerk.StaffSession, id, b.seen(b.clerk, id).Version, []byte("%PDF-1.7\n%%EOF\n")))
		fine(t, w.AttachScan(ctx, b.clerk.StaffSession, id, 1, []byte("%PDF-1.7\n%%EOF\n"))) // the answer was lost, and the page is an old one
		if n := len(b.seen(b.clerk, id).Scans); n != 1 {
			t.Errorf("one paper, sent twice, is %d scans", n)
		}
		_, err := w.LookUp(ctx, b.clerk.StaffSession, authority.Look{By: authority.ByRef, Ref: "0101-1-1234567"})
		want(t, "looking up", err, "")
		w.Clock.Move(401 * 24 * time.Hour)
		fine(t, w.SweepDue(ctx))
		fine(t, w.SweepDue(ctx))
	})
}
