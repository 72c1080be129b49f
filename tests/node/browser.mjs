// One Chromium, driven by a test: {"id", "profile", "do", …} is answered by {"id", "result"} or {"id", "error"}.
//
//   CHROMIUM=/usr/bin/chromium node browser.mjs --address-file ADDRESS
//
// A profile is a browser context with one page: nothing is shared between profiles. Nothing but loopback is reached.
// Each profile notes what its pages complained about: errors on the console (violations of a content security policy
// are among them), exceptions, and what the policy reports to the document itself.

import { chromium } from 'playwright-core';

import { converse } from './conversation.mjs';

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  // Tests run as root, on machines without a GPU or a network.
  args: [
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

const profiles = new Map();
const isLoopback = ({ hostname }) => ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);

async function openProfile({ profile, width, height, javascript, dark }) {
  const context = await browser.newContext({
    viewport: { width, height },
    javaScriptEnabled: javascript,
    colorScheme: dark ? 'dark' : 'light',
  });
  context.setDefaultTimeout(20_000);
  await context.route((url) => !isLoopback(url), (route) => route.abort());
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push({ url: message.location().url || page.url(), text: message.text() });
  });
  page.on('pageerror', (error) => complaints.push({ url: page.url(), text: String(error) }));
  profiles.set(profile, { context, page, complaints });
}

function locate(page, { by, name, value }) {
  switch (by) {
    case 'role':
      return page.getByRole(name, { name: value, exact: true });
    case 'label':
      return page.getByLabel(value, { exact: true });
    case 'text':
      return page.getByText(value);
    case 'selector':
      return page.locator(value);
    default:
      throw new Error(`cannot locate by ${by}`);
  }
}

// What a page reads like, to anyone who waits in vain.
async function describe(page) {
  const text = await page.locator('body').innerText({ timeout: 1000 }).catch(() => '');
  return `at ${page.url()}: ${text.slice(0, 600)}`;
}

const actions = {
  goto: async ({ page }, { url }) => ({ status: (await page.goto(url))?.status() ?? null, url: page.url() }),
  reload: async ({ page }) => ({ status: (await page.reload())?.status() ?? null }),
  fill: async ({ page }, { locator, text }) => locate(page, locator).fill(text),
  check: async ({ page }, { locator }) => locate(page, locator).check(),
  select: async ({ page }, { locator, text }) => locate(page, locator).selectOption(text),
  click: async ({ page }, { locator }) => locate(page, locator).click(),
  wait: async ({ page }, { locator }) => locate(page, locator).first().waitFor(),
  wait_for_url: async ({ page }, { prefix }) => {
    await page.waitForURL((url) => url.href.startsWith(prefix), { waitUntil: 'load' });
    return page.url();
  },
  url: async ({ page }) => page.url(),
  html: async ({ page }) => page.content(),
  text: async ({ page }, { locator }) => locate(page, locator).first().innerText(),
  value: async ({ page }, { locator }) => locate(page, locator).inputValue(),
  count: async ({ page }, { locator }) => locate(page, locator).count(),
  evaluate: async ({ page }, { script }) => (await page.evaluate(script)) ?? null,
  cookies: async ({ context }) => context.cookies(),
  forget_cookies: async ({ context }) => context.clearCookies(),
  viewport: async ({ page }, { width, height }) => page.setViewportSize({ width, height }),
  screenshot: async ({ page }, { path }) => void (await page.screenshot({ path, fullPage: true })),
  complaints: async ({ complaints }) => complaints.splice(0),
  close: async ({ context }, { profile }) => {
    profiles.delete(profile);
    await context.close();
  },
};

async function carryOut(command) {
  if (command.do === 'open') return openProfile(command);
  const profile = profiles.get(command.profile);
  try {
    return await actions[command.do](profile, command);
  } catch (error) {
    throw new Error(`${error.message}\n${await describe(profile.page)}`);
  }
}

const { hear, say } = await converse();
for (let command = await hear(); command; command = await hear()) {
  const { id } = command;
  await carryOut(command).then(
    (result) => say({ id, result: result ?? null }),
    (error) => say({ id, error: String(error?.message ?? error) }),
  );
}
await browser.close();
