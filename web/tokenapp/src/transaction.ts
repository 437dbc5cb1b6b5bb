// Everything that deals with transactions, in one file that is fetched after the passwords are on the screen.
export { transactions } from './transactions.svelte.ts';
export { pushing } from './push.svelte.ts';
export { default as Waiting } from './parts/Waiting.svelte';
export { default as Notifications } from './parts/Notifications.svelte';
export { default as Verifiers } from './parts/Verifiers.svelte';
export { default as Approval } from './screens/Approval.svelte';
export { default as Inbox } from './screens/Inbox.svelte';
export { default as Move } from './screens/Move.svelte';
export { default as History } from './screens/History.svelte';
export { default as Scan } from './screens/Scan.svelte';
