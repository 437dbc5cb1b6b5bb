// Whether the customer can have read what she is about to approve: every line has been on the screen, and two seconds have passed since.

/** How long after the last line came into sight approving becomes possible. */
const PAUSE = 2_000;
// A line that is taller than the screen is seen bit by bit, so its edges are looked for and not its whole.
const STEPS = Array.from({ length: 21 }, (_, step) => step / 20);

export class Seen {
  /** Lines that have not been on the screen yet. */
  left = $state(-1);
  ready = $state(false);
  #unseen = new Map<Element, { top: boolean; bottom: boolean }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #observer: IntersectionObserver | undefined;

  /** Begins to watch. The way to stop is given back. */
  watch(lines: Iterable<Element>): () => void {
    for (const line of lines) this.#unseen.set(line, { top: false, bottom: false });
    this.left = this.#unseen.size;
    const again = (): void => this.#observe();
    const visibility = (): void => {
      // The two seconds are seconds before her eyes: those in another app do not count.
      clearTimeout(this.#timer);
      if (document.visibilityState === 'visible') this.#observe();
    };
    this.#observe();
    addEventListener('resize', again);
    document.addEventListener('visibilitychange', visibility);
    return () => {
      removeEventListener('resize', again);
      document.removeEventListener('visibilitychange', visibility);
      this.#observer?.disconnect();
      clearTimeout(this.#timer);
    };
  }

  /** The first line that has not been seen, to take her there. */
  first(): Element | undefined {
    return this.#unseen.keys().next().value;
  }

  #observe(): void {
    this.#observer?.disconnect();
    if (this.#unseen.size === 0) {
      this.#count();
      return;
    }
    // What lies behind the menu at the foot of the screen is not in sight.
    const menu = document.querySelector('nav');
    const covered = menu && getComputedStyle(menu).position === 'fixed' ? menu.offsetHeight : 0;
    this.#observer = new IntersectionObserver((entries) => this.#look(entries), { rootMargin: `0px 0px -${covered}px 0px`, threshold: STEPS });
    for (const line of this.#unseen.keys()) this.#observer.observe(line);
  }

  #look(entries: IntersectionObserverEntry[]): void {
    if (document.visibilityState !== 'visible') return;
    for (const { target, isIntersecting, boundingClientRect: box, rootBounds: view } of entries) {
      const edges = this.#unseen.get(target);
      if (!edges || !isIntersecting || !view) continue;
      if (box.top >= view.top - 1 && box.top <= view.bottom) edges.top = true;
      if (box.bottom <= view.bottom + 1 && box.bottom >= view.top) edges.bottom = true;
      if (!edges.top || !edges.bottom) continue;
      this.#unseen.delete(target);
      this.#observer?.unobserve(target);
    }
    this.left = this.#unseen.size;
    if (this.left === 0) this.#count();
  }

  #count(): void {
    this.#observer?.disconnect();
    clearTimeout(this.#timer);
    if (!this.ready) this.#timer = setTimeout(() => { this.ready = true; }, PAUSE);
  }
}
