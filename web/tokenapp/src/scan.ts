// Reads a QR code from the camera: with the browser's own reader where there is one, else with jsQR, which is fetched only then.

type Detector = { detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]> };
type DetectorClass = {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
};

type Reader = (video: HTMLVideoElement) => Promise<string | undefined>;

async function nativeReader(): Promise<Reader | undefined> {
  const Detector = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  if (!Detector) return undefined;
  try {
    if (!(await Detector.getSupportedFormats()).includes('qr_code')) return undefined;
    const detector = new Detector({ formats: ['qr_code'] });
    return async (video) => (await detector.detect(video))[0]?.rawValue;
  } catch {
    return undefined;
  }
}

async function ownReader(): Promise<Reader> {
  const { default: jsQR } = await import('./qr.ts');
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return async (video) => {
    // Only the middle, where the frame is drawn, but that as sharp as the camera gives it: the code of a transaction has up to a hundred modules in a row.
    const side = Math.min(video.videoWidth, video.videoHeight);
    const size = Math.min(side, 960);
    canvas.width = canvas.height = size;
    if (!context || size === 0) return undefined;
    context.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, size, size);
    const { data, width, height } = context.getImageData(0, 0, size, size);
    return jsQR(data, width, height, { inversionAttempts: 'attemptBoth' })?.data;
  };
}

/** Why the camera does not show a picture. */
export type CameraFault = 'denied' | 'none' | 'busy' | 'reader';

export class CameraError extends Error {
  constructor(readonly fault: CameraFault) {
    super(fault);
  }
}

/** Opens the camera in the video element and calls `found` for every code seen, until it returns true. Gives back the way to stop. */
export async function scan(video: HTMLVideoElement, found: (text: string) => boolean, failed: (error: CameraError) => void): Promise<() => void> {
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: 'environment', width: { ideal: 1280 }, height: { ideal: 720 } } });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : '';
    throw new CameraError(name === 'NotAllowedError' || name === 'SecurityError' ? 'denied' : name === 'NotReadableError' ? 'busy' : 'none');
  }
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  video.srcObject = stream;
  void video.play().catch(() => undefined);

  let read: Reader;
  try {
    read = (await nativeReader()) ?? (await ownReader());
  } catch {
    stop();
    throw new CameraError('reader');
  }

  const look = async (): Promise<void> => {
    if (stopped) return;
    if (stream.getVideoTracks()[0]?.readyState === 'ended') {
      stop();
      failed(new CameraError('busy'));
      return;
    }
    try {
      const text = video.readyState >= video.HAVE_CURRENT_DATA ? await read(video) : undefined;
      if (!stopped && text && found(text)) {
        stop();
        return;
      }
    } catch {
      // One frame that cannot be read is nothing; the next one comes.
    }
    setTimeout(() => void look(), 120);
  };
  void look();
  return stop;
}
