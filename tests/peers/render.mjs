// Renders one clip with the AI SDK's own xAI provider: node render.mjs BASE_URL OUTPUT
import { writeFile } from "node:fs/promises";
import { createXai } from "@ai-sdk/xai";
import { experimental_generateVideo as generateVideo } from "ai";

const [baseURL, output] = process.argv.slice(2);
const xai = createXai({ baseURL, apiKey: "simulator" });
const { video, warnings, providerMetadata } = await generateVideo({
  model: xai.video("grok-imagine-video"),
  prompt: "A candle flickers on a wooden table.",
  aspectRatio: "9:16",
  duration: 3,
  maxRetries: 0,
  // The SDK's own download refuses addresses on this machine, as it should.
  download: async ({ url }) => {
    const response = await fetch(url);
    return { data: new Uint8Array(await response.arrayBuffer()), mediaType: response.headers.get("content-type") };
  },
  providerOptions: { xai: { pollIntervalMs: 100, pollTimeoutMs: 20000 } },
});
await writeFile(output, video.uint8Array);
console.log(JSON.stringify({ warnings, metadata: providerMetadata.xai, bytes: video.uint8Array.length }));
