// What the server says of a contract beyond its token: whether the service stands still, and until when a phone that was left behind can say that this was not her.

export type Standing = { stopped: boolean; objectUntil: number };

class Standings {
  /** By token. It lasts as long as the app is open: without an answer of the server nothing is claimed. */
  of = $state.raw<Record<string, Standing>>({});

  take(token: string, now: Standing): void {
    const before = this.of[token];
    if (before?.stopped !== now.stopped || before.objectUntil !== now.objectUntil) this.of = { ...this.of, [token]: now };
  }
}

export const standings = new Standings();
