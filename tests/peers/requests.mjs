// Tells what the AI SDK's own xAI provider sends for each call: node requests.mjs <calls.json >requests.json
import { text } from "node:stream/consumers";
import { createXai } from "@ai-sdk/xai";
import { experimental_generateVideo as generateVideo } from "ai";

const answer = (body) => new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } });

async function sent({ model, ...options }) {
  const requests = [];
  const xai = createXai({
    baseURL: "https://api.x.ai/v1",
    apiKey: "none",
    fetch: async (url, { method, body }) => {
      if (method !== "POST") return answer({ status: "done", video: { url: "https://a.example/clip.mp4" } });
      requests.push({ path: new URL(url).pathname, body: JSON.parse(body) });
      return answer({ request_id: "a" });
    },
  });
  const { warnings } = await generateVideo({
    ...options,
    model: xai.video(model),
    maxRetries: 0,
    poll: { intervalMs: 1 },
    download: async () => ({ data: new Uint8Array(8), mediaType: "video/mp4" }),
  });
  return { requests, warnings };
}

// JSON has no bytes: they come as {"base64": "…"}.
const bytes = (_, value) => (value?.base64 === undefined ? value : new Uint8Array(Buffer.from(value.base64, "base64")));
const calls = JSON.parse(await text(process.stdin), bytes);
const told = await Promise.all(Object.entries(calls).map(async ([name, call]) => [name, await sent(call)]));
console.log(JSON.stringify(Object.fromEntries(told)));
