import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.Security;
import java.util.Collection;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/** java Verdicts.java DOCUMENT SIGNATURE...: BouncyCastle's word on each detached signature, a line each. */
public class Verdicts {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] document = Files.readAllBytes(Paths.get(arguments[0]));
        for (int place = 1; place < arguments.length; place++) {
            byte[] signature = Files.readAllBytes(Paths.get(arguments[place]));
            System.out.println(verdict(document, signature));
        }
    }

    static String verdict(byte[] document, byte[] signature) {
        try {
            CMSSignedData data = new CMSSignedData(new CMSProcessableByteArray(document), signature);
            SignerInformation signer = data.getSignerInfos().getSigners().iterator().next();
            Collection<X509CertificateHolder> found = data.getCertificates().getMatches(signer.getSID());
            X509CertificateHolder certificate = found.iterator().next();
            return "" + signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate));
        } catch (Exception error) {
            return error.getClass().getSimpleName();
        }
    }
}
