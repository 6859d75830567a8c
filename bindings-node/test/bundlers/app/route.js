import { Celper } from 'celper';

export const dynamic = 'force-dynamic';

export async function GET() {
  const client = new Celper({ rateLimits: false });
  const { status } = await client.getCandidateStatus(process.env.CANDIDATE, { jobPositionId: 'pos_1' });
  return Response.json({ status });
}
